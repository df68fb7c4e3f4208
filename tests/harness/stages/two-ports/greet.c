#include "greet.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

void greet_all(int argc, char **argv, const char *name)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    for (;;) {
        int conn = must(accept(listener, NULL, NULL));
        event_conn(conn, "accepted");
        char line[32];
        int n = snprintf(line, sizeof line, "%s\n", name);
        event_sending(conn, n, "sending \"%s\\n\"", name);
        must(send_all(conn, line, (size_t)n));
        event("closing");
        must(close(conn));
    }
}
