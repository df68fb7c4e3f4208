// What happens if the server closes while a message lies unread in its kernel?
// The close is no goodbye then: the server's kernel sends a reset, and the client's read ends with an error.
//
// Parent: 01-break-after-first-message; what differs is the server.
// Try: leave the second message out. What does the last read give then?
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

// Where a write fails, must() ends this client: it has nothing else to do. A server goes on, for its other clients.
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
    say(conn, "This is a message 2\n test"); // it arrives: the server's kernel takes it and acknowledges it

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    for (;;) {
        event("reading data");
        int got = read_line(&in, &line);
        if (got == 0)
            event("EOF"); // a last line without its newline would be lost here: lesson 7
        else if (got == -1)
            event("Error reading: %s", errno_name(errno)); // the server's kernel has reset the connection
        if (got != 1)
            break;
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    }
    reader_close(&in);

    event("closing");
    must(close(conn));
}
