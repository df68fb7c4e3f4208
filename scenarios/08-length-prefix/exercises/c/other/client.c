// Another client for the server of exercise 8c: a whole file of 1,500 bytes, and one of which 300 bytes come.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../frame.h"
#include "event.h"
#include "must.h"
#include "net.h"

// Sends n bytes of payload as one frame.
static void send_frame(int conn, const char *payload, size_t n)
{
    char frame[FRAME_HEADER + 300];
    size_t length = (size_t)must(frame_encode(frame, sizeof frame, payload, n));
    event_sending(conn, length, "sending a frame with %zu bytes", n);
    must(send_all(conn, frame, length));
}

// Sends a file of n bytes in frames, on a connection of its own; stops_at: where this program leaves it.
static void send_file(struct address *server, size_t n, size_t stops_at)
{
    event("connecting");
    int conn = must_say(dial(server), server->error);
    event_conn(conn, "connected");

    char bytes[300];
    memset(bytes, 'y', sizeof bytes);
    size_t sent = 0;
    while (sent < n && sent < stops_at) {
        size_t part = n - sent < sizeof bytes ? n - sent : sizeof bytes;
        send_frame(conn, bytes, part);
        sent += part;
    }
    if (sent == n)
        send_frame(conn, NULL, 0); // that was all
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));
    char end;
    must(read(conn, &end, 1)); // EOF: the server has closed, so it has read everything
    event("closing");
    must(close(conn));
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    send_file(&server, 1500, 1500);
    send_file(&server, 400, 300); // it breaks off between two frames
}
