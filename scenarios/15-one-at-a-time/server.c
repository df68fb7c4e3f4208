// A server that serves one client at a time: it accepts the next one when the one before has gone.
//
// Parent: 03-ack-per-packet. What differs: no serve(), so no thread for each connection.
// Try: serve(listener, handle) in place of the loop.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

static void handle(int conn)
{
    event_conn(conn, "accepted");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    for (;;) {
        event("reading data");
        int got = read_line(&in, &line);
        if (got == 0 && line.len > 0)
            event_received(conn, line.len, "EOF, %zu bytes unfinished: %s", line.len, quoted(line.data, line.len));
        else if (got == 0)
            event("EOF");
        else if (got == -1)
            event("Error reading: %s", errno_name(errno));
        if (got != 1)
            break;
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        event_sending(conn, 18, "writing response");
        if (send_all(conn, "Message received.\n", 18) == -1)
            event("Error writing: %s", errno_name(errno));
    }
    reader_close(&in);

    event("closing");
    close(conn);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    for (;;)
        handle(must(accept(listener, NULL, NULL))); // whoever comes meanwhile is connected by our kernel, and waits
}
