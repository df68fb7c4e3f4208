// Another client for the server of exercise 7a. Its first connection brings all lines that it promises, the second one does not.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

static void say(int conn, const char *message)
{
    size_t n = strlen(message);
    event_sending(conn, n, "sending %s", quoted(message, n));
    must(send_all(conn, message, n));
}

// Sends a promise and some lines, and waits until the server has closed, too.
static void send_lines(struct address *server, const char *promise, const char *lines)
{
    event("connecting");
    int conn = must_say(dial(server), server->error);
    event_conn(conn, "connected");

    say(conn, promise);
    say(conn, lines);
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));

    char byte;
    if (must(read(conn, &byte, 1)) == 0)
        event("EOF");
    event("closing");
    must(close(conn));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    send_lines(&server, "3\n", "a\nb\nc\n");
    send_lines(&server, "12\n", "d\ne\n");
}
