// Another client for the server of exercise 8a: a message of 456 bytes. Its length is 1 and 200: it needs both bytes, and
// 200 does not fit into a char that has a sign.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    char frame[2 + 456] = {1, (char)200}; // written here by hand, and not by frame.c
    memset(frame + 2, 'x', 456);
    event_sending(conn, sizeof frame, "sending a frame with 456 bytes");
    must(send_all(conn, frame, sizeof frame));
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));

    char answer[64];
    size_t got = 0;
    for (ssize_t n; got < sizeof answer && (n = must(read(conn, answer + got, sizeof answer - got))) > 0;)
        got += (size_t)n;
    event_received(conn, got, "received %zu bytes", got);
    event("closing");
    must(close(conn));
}
