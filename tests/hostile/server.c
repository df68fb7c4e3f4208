// Serves whoever comes: reads until EOF, and closes.
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static void handle(int conn)
{
    char buf[100];
    event_conn(conn, "accepted");
    while (read(conn, buf, sizeof buf) > 0)
        ;
    close(conn);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
