// A server that expects 10 bytes, asks for 10, and looks at how many came.
//
// Parent: 05-glued-writes. What differs: a buffer of 10; a one-byte answer between two reads, in place of the pause.
// Try: recv() with MSG_WAITALL in place of read(). Who waits for whom then?
#include <errno.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

// Asks for n bytes, once. Returns how many came.
static size_t receive(int conn, char *buf, size_t n)
{
    event("reading data, %zu bytes at most", n);
    ssize_t got = read(conn, buf, n); // at most n bytes, and often fewer
    if (got > 0)
        event_received(conn, got, "Received %zd bytes: %s", got, quoted(buf, (size_t)got));
    else if (got == 0)
        event("EOF");
    else
        event("Error reading: %s", errno_name(errno));
    return got > 0 ? (size_t)got : 0;
}

static void handle(int conn)
{
    event_conn(conn, "accepted");

    char buf[10];
    size_t have = receive(conn, buf, sizeof buf);
    // The client sends its second half only after this byte. So the first half was all there was.
    event_sending(conn, 1, "sending go-ahead");
    if (send_all(conn, "+", 1) == -1)
        event("Error writing: %s", errno_name(errno));
    if (have < sizeof buf)
        have += receive(conn, buf + have, sizeof buf - have);
    event("together %s", quoted(buf, have));

    event("closing");
    close(conn);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
