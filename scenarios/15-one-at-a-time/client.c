// What happens if two clients come to a server that serves one at a time?
// The second one is connected, and its message is taken. Nobody answers it until the first one has gone.
//
// Parent: 03-ack-per-packet. What differs: one message, then a pause with the connection open. Two run at a time: stage.txt.
// Try: a third client in stage.txt. Whom does it wait for?
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

// Sends one message and waits for one response to it.
static void ask(int conn, struct reader *in, const char *message)
{
    size_t n = strlen(message);
    event_sending(conn, n, "sending %s", quoted(message, n));
    must(send_all(conn, message, n));

    event("reading data");
    struct slice line;
    int got = read_line(in, &line);
    if (got == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    else if (got == 0)
        event("EOF"); // a last line without its newline would be lost here: lesson 7
    else
        event("Error reading: %s", errno_name(errno));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct reader in;
    reader_open(&in, conn);
    ask(conn, &in, "This is a message\n");
    pause_seconds(2); // the connection is kept, for a next message perhaps
    reader_close(&in);

    event("closing");
    must(close(conn));
}
