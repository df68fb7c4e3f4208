// What happens if a server is started again on the port that it has just used?
// The client sends one message, and reads until EOF. The server closes first.
//
// Parent: 01-break-after-first-message. What differs: no pause and no second message.
// Try: close before the server does. Whose port is busy then?
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
