// What happens if the stream ends in the middle of a line?
// The reader must hand over the rest, and say that it is a rest. Whether it means anything, only an agreement can tell.
//
// Parent: 05-glued-writes. What differs: one write, and it stops in mid-line.
// Try: raise(SIGKILL) in place of the close(). What does the server see of it?
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

    say(conn, "first\nsecond");

    event("closing");
    must(close(conn)); // our FIN leaves here. It says "no more bytes", and not "that was all"
}
