// Another client for the server of exercise 6a: it sends other letters, in other pieces.
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

static void say(int conn, const char *message)
{
    size_t n = strlen(message);
    event_sending(conn, n, "sending %s", quoted(message, n));
    must(send_all(conn, message, n));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    say(conn, "g");
    pause_seconds(1);
    say(conn, "oo");
    pause_seconds(1);
    say(conn, "d ");
    event("reading data, 1 byte at most");
    char go;
    if (must(read(conn, &go, 1)) == 1)
        event_received(conn, 1, "Received go-ahead");
    else
        event("EOF");
    say(conn, "nig");
    pause_seconds(1);
    say(conn, "ht");

    event("closing");
    must(close(conn));
}
