// A server that says goodbye at once: it closes what it has accepted.
//
// Parent: 06-short-reads. What differs: nothing is read and nothing is sent.
// Try: shutdown(conn, SHUT_WR) before a pause of 5 s. Does the client see a difference?
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static void handle(int conn)
{
    event_conn(conn, "accepted");

    event("closing");
    close(conn); // our FIN leaves here. What the client sends from now on nobody can read
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
