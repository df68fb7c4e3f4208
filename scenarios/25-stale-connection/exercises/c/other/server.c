// Another server for the client of exercise 25c: it answers each request, and never closes first.
#include <errno.h>
#include <string.h>
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
    int got;
    while ((got = read_line(&in, &line)) == 1) {
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        const char *answer = line.data[0] == 'g' ? "one pear\n" : "two pears\n";
        event_sending(conn, strlen(answer), "writing response");
        if (send_all(conn, answer, strlen(answer)) == -1)
            event("Error writing: %s", errno_name(errno));
    }
    event("%s", got == 0 ? "EOF" : errno_name(errno));
    reader_close(&in);

    event("closing");
    close(conn);
}

int main(int argc, char **argv)
{
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    must(serve(listener, handle));
}
