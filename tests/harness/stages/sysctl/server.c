// Accepts, waits for EOF, and closes.
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    for (;;) {
        int conn = must(accept(listener, NULL, NULL));
        event_conn(conn, "accepted");
        char byte;
        if (must(read(conn, &byte, 1)) == 0)
            event("EOF");
        event("closing");
        must(close(conn));
    }
}
