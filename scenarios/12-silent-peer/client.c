// What happens if the server's program hangs?
// Its kernel does not: it takes and acknowledges what we send, and the connection stays. Only a time limit of our own ends the wait.
//
// Parent: 03-ack-per-packet. What differs: a time limit for reads.
// Try: take the limit away. What tells this client that the server hangs?
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
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
    if (ask(conn, &in, "This is a message\n")) {
        // From now on a read that brings nothing for 0.2 s ends with EAGAIN. A real client waits longer.
        struct timeval limit = {.tv_usec = 200000};
        must(setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
        ask(conn, &in, "This is a message 2\n");
    }
    reader_close(&in);

    event("closing");
    must(close(conn));
}
