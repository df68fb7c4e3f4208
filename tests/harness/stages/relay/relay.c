// Hands one line from its client on to its server, and one line back: relay HOST PORT HOST PORT, where it listens and to
// whom it connects.
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

static void hand_on(int from, int to, const char *whom)
{
    struct reader in;
    reader_open(&in, from);
    struct slice line;
    if (read_line(&in, &line) == 1) {
        event_received(from, line.len, "received %s", quoted(line.data, line.len));
        event_sending(to, line.len, "sending it to the %s", whom);
        must(send_all(to, line.data, line.len));
    }
    reader_close(&in);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s host port host port   where to listen, and to whom to connect\n", argv[0]);
        return 2;
    }
    struct address here = address_from(3, argv), server = address_from(3, argv + 2);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    int conn = must(accept(listener, NULL, NULL));
    event_conn(conn, "accepted");
    event("connecting");
    int up = must_say(dial(&server), server.error);
    event_conn(up, "connected");

    hand_on(conn, up, "server");
    hand_on(up, conn, "client");
    event("closing");
    must(close(up));
    must(close(conn));
}
