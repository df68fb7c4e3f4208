// What happens if three messages are written, one call each?
// They become 15 bytes in a stream. Where one write ended and the next began is not transmitted.
//
// Parent: 04-half-close. What differs: three writes, and nothing is read.
// Try: setsockopt() TCP_NODELAY, which makes each write leave at once. Does the server read three times then?
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

    // Each call adds bytes at the end of the stream. None of them adds a mark.
    say(conn, "one\n");
    say(conn, "two\n");
    say(conn, "three!\n");

    event("closing");
    must(close(conn));
}
