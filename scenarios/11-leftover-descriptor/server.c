// A server that reads one message, starts a helper for it, answers and closes. The helper inherits the connection.
//
// Parent: 01-break-after-first-message. What differs: a child process.
// Try: close(conn) in the helper, before its sleep().
#include <errno.h>
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
        break; // one message is enough for this server
    }
    reader_close(&in);

    pid_t helper = must(fork()); // from here on two processes have this connection
    if (helper == 0) {
        sleep(2); // stands for the work that it does with the message
        event("helper ends");
        _exit(0);
    }
    event_sending(conn, 18, "writing response");
    if (send_all(conn, "Message received.\n", 18) == -1)
        event("Error writing: %s", errno_name(errno));
    event("closing");
    close(conn); // gives up our descriptor. The connection stays: the helper has one, too
    must(waitpid(helper, NULL, 0));
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
