// A server that calls read() itself, without a line reader, when everything has come.
//
// Parent: 04-half-close. What differs: read() in place of read_line(), a pause before it, no response.
// Try: take the pause away and run it many times; or a buffer of 5 bytes.
#include <errno.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

static void handle(int conn)
{
    event_conn(conn, "accepted");

    pause_seconds(1); // all three writes arrive meanwhile: they wait in our kernel, end to end
    char buf[4096];
    for (;;) {
        event("reading data");
        ssize_t n = read(conn, buf, sizeof buf); // as much as there is and fits
        if (n == 0)
            event("EOF");
        else if (n == -1)
            event("Error reading: %s", errno_name(errno));
        if (n <= 0)
            break;
        event_received(conn, n, "Received %zd bytes: %s", n, quoted(buf, (size_t)n));
    }

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
