// Another client for the server of exercise 25b: what comes too late has 60 bytes, and comes with two writes.
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

    struct reader in;
    reader_open(&in, conn);
    say(conn, "This is a message\n");
    hear(conn, &in);
    pause_seconds(5);
    say(conn, "012345678901234567890123456789");
    say(conn, "01234567890123456789012345678\n");
    hear(conn, &in);
    reader_close(&in);

    event("closing");
    must(close(conn));
}
