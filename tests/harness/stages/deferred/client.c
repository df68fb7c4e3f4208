// Reads until EOF. When does it come?
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
