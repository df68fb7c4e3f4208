// Hears a line from each of two servers: client HOST PORT HOST PORT.
#include <stdio.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

static void hear(struct address server)
{
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    while (read_line(&in, &line) == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    event("EOF");
    reader_close(&in);

    event("closing");
    must(close(conn));
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s host port host port   of two servers\n", argv[0]);
        return 2;
    }
    hear(address_from(3, argv));
    hear(address_from(3, argv + 2));
}
