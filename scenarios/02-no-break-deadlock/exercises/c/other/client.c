// Another client for the server of exercise 2c: it has four lines of text. Two of them begin with a dot.
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

    say(conn, "...hidden\n"); // the text has two dots here
    say(conn, "a.b.\n");
    say(conn, "..\n"); // and one here
    say(conn, "the end\n");
    say(conn, ".\n");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    int got = must(read_line(&in, &line));
    if (got == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    else
        event_received(conn, line.len, "EOF behind %s", quoted(line.data, line.len));
    reader_close(&in);

    event("closing");
    must(close(conn));
}
