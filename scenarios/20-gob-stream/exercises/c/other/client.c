// Another client for the server of exercise 20c: it has four readings, and all of them are below zero.
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "../../../gob/gob.h"
#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

struct reading {
    struct gob_bytes name;
    double celsius;
    int64_t at;
};

static const struct gob_field fields[] = {
    {"Name", GOB_STRING, false, offsetof(struct reading, name)},
    {"Celsius", GOB_FLOAT, false, offsetof(struct reading, celsius)},
    {"At", GOB_INT, false, offsetof(struct reading, at)},
};
static const struct gob_type type = {"Reading", sizeof(struct reading), fields, sizeof fields / sizeof fields[0]};

static void say(int conn, struct gob_encoder *out, const char *name, double celsius, int at)
{
    struct reading reading = {{name, strlen(name)}, celsius, at};
    char bytes[256];
    int n = must_say((int)gob_encode(out, &type, &reading, bytes, sizeof bytes), out->error);
    event_sending(conn, n, "sending {Name: %s, Celsius: %.1f, At: %d}", quoted(name, strlen(name)), celsius, at);
    for (int i = 0; i < n; i++)
        must(send_all(conn, bytes + i, 1)); // byte by byte: a gob says itself where it ends, so it may be cut anywhere
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct gob_encoder out = {0}; // remembers which types it has described, so each connection has its own
    say(conn, &out, "street", -7.5, 11);
    say(conn, &out, "garage", -2.5, 12);
    say(conn, &out, "attic", -3.0, 13);
    say(conn, &out, "field", -20.0, 14);
    event("closing");
    must(close(conn));
}
