// Two workers, forked before any client comes, accept on one listener. Which of them gets a connection is the kernel's
// choice.
#include <sys/socket.h>
#include <sys/wait.h>
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

    for (int worker = 0; worker < 2; worker++) {
        if (must(fork()) == 0) {
            event("accepting");
            for (;;)
                handle(must(accept(listener, NULL, NULL)));
        }
    }
    while (wait(NULL) != -1)
        ;
}
