// Another client for the server of exercise 4c: it sends three lines, 10 bytes, and no unfinished one.
#include <string.h>
#include <sys/socket.h>
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

// Reads one line, and logs it.
static void hear(int conn, struct reader *in)
{
    struct slice line;
    event("reading data");
    if (must(read_line(in, &line)) == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    else
        event("EOF");
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    say(conn, "a\n");
    say(conn, "bcd\nefg\n");
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));
    struct reader in;
    reader_open(&in, conn);
    hear(conn, &in);
    reader_close(&in);

    event("closing");
    must(close(conn));
}
