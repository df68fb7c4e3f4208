// Another server for the client of exercise 3a: it answers each line with its number.
#include <errno.h>
#include <stdio.h>
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
    for (int number = 1; (got = read_line(&in, &line)) == 1; number++) {
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        char answer[64];
        snprintf(answer, sizeof answer, "Answer %d is here.\n", number);
        event_sending(conn, strlen(answer), "writing response %d", number);
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
