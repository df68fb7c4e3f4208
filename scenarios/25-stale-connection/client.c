// What happens if a connection that was kept open for the next request is used again?
// The server has closed it meanwhile. The request can be written, and the answer is EOF: was the request carried out?
//
// Parent: 03-ack-per-packet. What differs: a pause between the two requests.
// Try: a pause of 1 s. Which answer comes then, and who decides it?
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

// Sends one request and waits for one response to it.
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
    pause_seconds(5); // the connection is kept: the next request saves the time to connect
    ask(conn, &in, "This is a message 2\n");
    reader_close(&in);

    event("closing");
    must(close(conn));
}
