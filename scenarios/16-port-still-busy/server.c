// A server that answers one message, closes everything, and binds its port again.
//
// Parent: 01-break-after-first-message. What differs: one client only, and the port is bound again.
// Try: SO_LINGER with {1, 0} before the close of the connection. What does the client get?
#include <errno.h>
#include <sys/socket.h>
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
    event("reading data");
    if (read_line(&in, &line) == 1)
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    reader_close(&in);

    event_sending(conn, 18, "writing response");
    if (send_all(conn, "Message received.\n", 18) == -1)
        event("Error writing: %s", errno_name(errno));
    event("closing");
    close(conn); // this end closes first, so our kernel keeps the connection for a while: TIME-WAIT
}

// As a server that is started again.
static void bind_again(const struct sockaddr *at, socklen_t size, int reuse)
{
    int listener = must(socket(at->sa_family, SOCK_STREAM, 0));
    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
    event("binding again, SO_REUSEADDR %s", reuse ? "on" : "off");
    if (bind(listener, at, size) == -1)
        event("Error binding: %s", errno_name(errno));
    else
        event("bound");
    close(listener);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error); // with SO_REUSEADDR
    event_listening(listener, "listening");
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    must(getsockname(listener, (struct sockaddr *)&at, &size));

    handle(must(accept(listener, NULL, NULL)));
    event("closing the listener");
    close(listener);
    pause_seconds(1); // now the client has closed, too, and nobody has a descriptor with this port

    bind_again((struct sockaddr *)&at, size, 0);
    bind_again((struct sockaddr *)&at, size, 1);
}
