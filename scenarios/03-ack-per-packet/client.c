// What happens if every message gets a response, and the client waits for just as many?
// The exchange ends by itself: the client knows when it has heard everything, without any EOF.
//
// Parent: 02-no-break-deadlock. What differs: the client reads one response after each message, in place of the pause.
// Try: read until EOF after the second message. How many responses come, and what then?
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

// Sends one message and waits for one response to it; false if the server sends none.
static bool ask(int conn, struct reader *in, const char *message)
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
    return got == 1;
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct reader in;
    reader_open(&in, conn);
    // No packet is acknowledged here: the server answers lines. The second message is one line and a piece of another.
    if (ask(conn, &in, "This is a message\n"))
        ask(conn, &in, "This is a message 2\n test");
    reader_close(&in);

    event("closing");
    must(close(conn));
}
