// Answers one message of each connection: a thread for each.
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static void handle(int conn)
{
    char buf[64];
    event_conn(conn, "accepted");
    ssize_t got = read(conn, buf, sizeof buf);
    if (got > 0) {
        event_received(conn, got, "received %zd bytes", got);
        event_sending(conn, got, "sending %zd bytes", got);
        send_all(conn, buf, (size_t)got);
    }
    close(conn);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
