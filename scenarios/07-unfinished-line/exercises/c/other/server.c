// Another server for the client of exercise 7c: its file has 9 bytes, and for "half\n" it breaks off after 4 of them.
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
    event("reading data");
    if (must(read_line(&in, &line)) == 1) {
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        const char *answer = line.len == strlen("half\n") ? "9\na\nbc" : "9\na\nbcd\nef\n";
        size_t n = strlen(answer);
        event_sending(conn, n, "sending %s", quoted(answer, n));
        if (send_all(conn, answer, n) == -1)
            event("Error writing: %s", errno_name(errno));
    }
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
