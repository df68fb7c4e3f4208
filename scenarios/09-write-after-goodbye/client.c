// What happens if the client writes to a server that has said goodbye?
// The first write succeeds. The second one kills the client: the signal comes before the return value.
//
// Parent: 06-short-reads. What differs: the client reads first, and writes with write() in place of send_all().
// Try: signal(SIGPIPE, SIG_IGN) at the beginning of main(). What does the second write do then?
#include <errno.h>
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
    ssize_t done = write(conn, message, n); // send_all() asks the kernel for no signal; write() does not
    if (done == -1)
        event("Error writing: %s", errno_name(errno));
    else
        event("write returned %zd", done);
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
        event("EOF"); // the server says no more. Whether it still listens, EOF does not tell
    // You would think: this fails, the server is gone. It succeeds: the kernel takes the bytes and sends them.
    say(conn, "hello");
    pause_seconds(1); // meanwhile the answer comes: a reset
    say(conn, "again");

    event("closing");
    must(close(conn));
}
