// Another client for the server of exercise 10c: its text has 987 bytes.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

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

    char request[11 + 987];
    memcpy(request, "length 987\n", 11);
    memset(request + 11, 'y', 987);
    event_sending(conn, sizeof request, "sending %zu bytes", sizeof request);
    must(send_all(conn, request, sizeof request));
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));
    struct reader in;
    reader_open(&in, conn);
    hear(conn, &in);
    hear(conn, &in);
    reader_close(&in);

    event("closing");
    must(close(conn));
}
