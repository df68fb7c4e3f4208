// What happens if the client says "I have finished", and still listens?
// The server gets EOF, answers, and the answer arrives: a connection is two streams, and only one of them was closed.
//
// Parent: 02-no-break-deadlock. What differs: one shutdown().
// Try: replace the shutdown() by close(), or SHUT_WR by SHUT_RDWR.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

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
    pause_seconds(5);
    say(conn, "This is a message 2\n test");
    event("shutting down SHUT_WR");
    if (shutdown(conn, SHUT_WR) == -1) // our FIN leaves here; the way back stays open
        event("Error shutting down: %s", errno_name(errno));

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    for (;;) {
        event("reading data");
        int got = read_line(&in, &line);
        if (got == 0)
            event("EOF"); // a last line without its newline would be lost here: lesson 7
        else if (got == -1)
            event("Error reading: %s", errno_name(errno));
        if (got != 1)
            break;
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    }
    reader_close(&in);

    event("closing");
    must(close(conn));
}
