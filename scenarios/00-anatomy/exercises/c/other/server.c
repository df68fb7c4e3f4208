// Another server for the client of exercise 0c: its greeting is longer, and comes in two pieces.
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

static void say(int conn, const char *message)
{
    size_t n = strlen(message);
    event_sending(conn, n, "sending %s", quoted(message, n));
    must(send_all(conn, message, n));
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    int conn = must(accept(listener, NULL, NULL));
    event_conn(conn, "accepted");

    say(conn, "220 good");
    pause_seconds(1);
    say(conn, " morning\n");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    if (must(read_line(&in, &line)) == 1) {
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        say(conn, "Message received.\n");
    }
    reader_close(&in);

    event("closing");
    must(close(conn));
}
