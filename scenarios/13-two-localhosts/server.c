// A server that listens on one of the two addresses of "localhost".
//
// Parent: 07-unfinished-line. What differs: the address on which it listens is IPv4, whatever the name gives.
// Try: "::" for the host. Which of the two addresses reach this server then?
#include <errno.h>
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
    for (;;) {
        event("reading data");
        int got = read_line(&in, &line);
        if (got == 0 && line.len > 0)
            event_received(conn, line.len, "EOF, %zu bytes unfinished: %s", line.len, quoted(line.data, line.len));
        else if (got == 0)
            event("EOF");
        else if (got == -1)
            event("Error reading: %s", errno_name(errno));
        if (got != 1)
            break;
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    }
    reader_close(&in);

    event("closing");
    close(conn);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    here.host = "127.0.0.1"; // ::1 is another address. Nobody listens there, so our kernel refuses
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
