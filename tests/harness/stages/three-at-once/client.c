// Sends one line and waits for the answer.
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    event_sending(conn, 6, "sending \"hello\\n\"");
    must(send_all(conn, "hello\n", 6));

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    if (read_line(&in, &line) == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    reader_close(&in);

    event("closing");
    must(close(conn));
}
