// What happens if a name has two addresses, and the server listens on one of them?
// At the first address the kernel refuses, although the server runs. The client must try the other address, too.
//
// Parent: 07-unfinished-line. What differs: the client connects to each address of localhost, until one accepts.
// Try: the two addresses in the other order. Which lines go?
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

// The addresses of "localhost", by IPv6 and by IPv4. What the name gives differs from system to system, so both stand here.
static const char *const localhost[] = {"::1", "127.0.0.1"};

static void say(int conn, const char *message)
{
    size_t n = strlen(message);
    event_sending(conn, n, "sending %s", quoted(message, n));
    must(send_all(conn, message, n));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    int conn = -1;
    for (size_t i = 0; i < 2 && conn == -1; i++) {
        server.host = localhost[i];
        event("connecting to %s", server.host);
        conn = dial(&server); // a new socket each time: POSIX does not say what one is good for after a failed connect
        if (conn == -1)
            event("Error connecting: %s", errno_name(errno));
    }
    must_say(conn, server.error);
    event_conn(conn, "connected");

    say(conn, "This is a message\n");

    event("closing");
    must(close(conn));
}
