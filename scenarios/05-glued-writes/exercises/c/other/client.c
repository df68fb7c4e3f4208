// Another client for the server of exercise 5c. It sends the messages as they are escaped.
#include <string.h>
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

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    say(conn, "a\\\\n\\nb\n"); // a, a backslash, the letter n, a newline, b
    say(conn, "\\\\\\n\n");    // a backslash and a newline
    say(conn, "plain\n");

    event("closing");
    must(close(conn));
}
