// Another client for the server of exercise 9b: it sends 111 bytes with three writes.
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

    event("reading data, 1 byte at most");
    char greeting;
    if (must(read(conn, &greeting, 1)) == 1)
        event_received(conn, 1, "Received greeting");
    else
        event("EOF");
    say(conn, "hello again");
    pause_seconds(1);
    say(conn, "01234567890123456789012345678901234567890123456789");
    say(conn, "01234567890123456789012345678901234567890123456789");
    event("closing");
    must(close(conn));
}
