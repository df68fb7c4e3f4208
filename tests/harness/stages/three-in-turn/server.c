// Answers each line with the same line; a thread for each connection.
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

static void handle(int conn)
{
    event_conn(conn, "accepted");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    while (read_line(&in, &line) == 1) {
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        event_sending(conn, line.len, "sending %s", quoted(line.data, line.len));
        must(send_all(conn, line.data, line.len));
    }
    event("EOF");
    reader_close(&in);

    event("closing");
    must(close(conn));
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
