// Serves one client after the other until SIGTERM comes, and then ends of its own will.
#include <errno.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

static void on_term(int number)
{
    (void)number; // nothing to do: the signal only ends the wait
}

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
    // SIGTERM is let in only while pselect() waits: so it can't slip in between a look at the sockets and the wait.
    sigset_t term, usual;
    must(sigemptyset(&term));
    must(sigaddset(&term, SIGTERM));
    must(sigprocmask(SIG_BLOCK, &term, &usual));
    must(sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL));

    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    for (;;) {
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(listener, &readable);
        if (pselect(listener + 1, &readable, NULL, NULL, NULL, &usual) == -1)
            break;
        handle(must(accept(listener, NULL, NULL)));
    }
    event("the wait ended: %s", errno_name(errno));
    must(close(listener));
}
