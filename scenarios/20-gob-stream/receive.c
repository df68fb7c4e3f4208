// The loop of lesson 8, around another codec: it reads what is missing, however many reads that takes.
#include "receive.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "event.h"
#include "must.h"

// Logs the description that came last: "Message {Seq int, Text string}"; for a slice only its name, "[]string".
static void log_description(const struct gob_decoder *in)
{
    const struct gob_described *type = &in->types[in->described - 1];
    char fields[EVENT_TEXT_MAX] = "", name[GOB_NAME_MAX + 8];
    size_t n = 0;
    for (size_t i = 0; i < type->count && n < sizeof fields; i++)
        n += (size_t)snprintf(fields + n, sizeof fields - n, "%s%s %s", i > 0 ? ", " : " {", type->fields[i].name,
                              gob_type_name(in, type->fields[i].id, name));
    event("Received description: %s%s%s", gob_type_name(in, type->id, name), fields, n > 0 ? "}" : "");
}

size_t receive(int conn, struct gob_decoder *in, const struct gob_type *type, void *value)
{
    size_t have = gob_unfinished(in); // these came with the last read, behind the last value
    event("reading data");
    for (;;) {
        int got = gob_next(in, type, value);
        if (got == 1)
            return have - gob_unfinished(in);
        if (got == 2) {
            log_description(in);
            continue;
        }
        if (got == -1) {
            event("Error: %s", in->error);
            return 0;
        }
        size_t room;
        char *space = gob_space(in, &room);
        ssize_t n = read(conn, space, room); // what is there: a byte, half a message, or three
        if (n > 0) {
            gob_received(in, (size_t)n);
            have += (size_t)n;
        } else if (n == 0 && have == 0) {
            event("EOF between messages");
            return 0;
        } else if (n == 0) {
            event_received(conn, have, "EOF inside a message, %zu bytes of it", have);
            return 0;
        } else if (errno != EINTR) {
            event("Error reading: %s", errno_name(errno));
            return 0;
        }
    }
}
