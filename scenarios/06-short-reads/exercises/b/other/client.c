// Another client for the server of exercise 6b: it leaves after 6 of 10 bytes, and then brings a whole message.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

// Sends a message, takes the go-ahead, and waits until the server has closed.
static void say(struct address *server, const char *message)
{
    event("connecting");
    int conn = must_say(dial(server), server->error);
    event_conn(conn, "connected");

    size_t n = strlen(message);
    event_sending(conn, n, "sending %s", quoted(message, n));
    must(send_all(conn, message, n));
    char go;
    if (must(read(conn, &go, 1)) == 1)
        event_received(conn, 1, "Received go-ahead");
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));
    if (must(read(conn, &go, 1)) == 0)
        event("EOF");
    event("closing");
    must(close(conn));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    say(&server, "hello!");
    say(&server, "good night");
}
