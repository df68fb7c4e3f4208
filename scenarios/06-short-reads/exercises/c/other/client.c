// Another client for the server of exercise 6c: the halves have other sizes, and 7 bytes come behind them.
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static void say(int conn, size_t n)
{
    char bytes[50000];
    memset(bytes, 'y', sizeof bytes);
    event_sending(conn, n, "sending %zu bytes", n);
    must(send_all(conn, bytes, n));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    say(conn, 30000);
    pause_seconds(1);
    say(conn, 30000);
    say(conn, 40000);
    pause_seconds(1);
    say(conn, 4);
    pause_seconds(1);
    say(conn, 3);

    event("closing");
    must(close(conn));
}
