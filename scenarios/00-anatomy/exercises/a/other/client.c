// Another client for the server of exercise 0a: it sends two other lines.
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

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

    say(conn, "one\nand a seco");
    pause_seconds(1);
    say(conn, "nd one\n");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    while (must(read_line(&in, &line)) == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    event("EOF");
    reader_close(&in);

    event("closing");
    must(close(conn));
}
