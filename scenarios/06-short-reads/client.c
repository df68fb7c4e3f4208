// What happens if the reader asks for 10 bytes, and 5 have come?
// It gets 5, at once. A read returns what is there; it waits only while there is nothing.
//
// Parent: 05-glued-writes. What differs: the client waits for one byte between two writes.
// Try: write "hel" and close. What does the reader get then?
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

    say(conn, "hello");
    // A read of one byte can't be short: it gives that byte, or EOF.
    event("reading data, 1 byte at most");
    char go;
    if (must(read(conn, &go, 1)) == 1)
        event_received(conn, 1, "Received go-ahead");
    else
        event("EOF");
    say(conn, "world");

    event("closing");
    must(close(conn));
}
