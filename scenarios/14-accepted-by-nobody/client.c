// What happens if a client connects, sends, closes and ends before the server calls accept?
// Nothing fails: the kernel of the server makes the connection, takes the bytes and the FIN, and keeps them for accept.
//
// Parent: 07-unfinished-line. What differs: the message is a whole line.
// Try: a read before the close. How long does it wait, and for whom?
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

    say(conn, "This is a message\n");

    event("closing");
    must(close(conn)); // nobody has accepted this connection yet
}
