// What happens if each message says how long it is?
// Its bytes may be cut anywhere, and may hold a newline: the server knows at each of them how many are still to come.
//
// Parent: 03-ack-per-packet. What differs: a frame, sent one byte at a time, in place of a line.
// Try: forget htonl() in frame.c. What does the server make of 5?
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "frame.h"
#include "must.h"
#include "net.h"
#include "quote.h"

// Sends one frame, one byte at a time with a pause behind the first `cut`, and waits for the response to it; false if
// there is none.
static bool ask(int conn, struct frame *in, const char *message, size_t cut)
{
    char frame[64];
    size_t n = (size_t)must(frame_encode(frame, sizeof frame, message, strlen(message)));
    event_sending(conn, n, "sending %s", quoted(frame, n));
    for (size_t i = 0; i < n; i++) {
        must(send_all(conn, frame + i, 1));
        if (i + 1 == cut)
            pause_seconds(1);
    }

    event("reading data");
    int got = read_length(in, conn);
    if (got == 1)
        got = read_payload(in, conn);
    if (got == 1)
        event_received(conn, in->got, "Received message: %s", quoted(in->payload, in->length));
    else if (got == 0)
        event("EOF");
    else
        event("Error reading: %s", errno_name(errno));
    return got == 1;
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct frame in = {0};
    // The first pause comes inside the length, the second inside the payload, behind its newline.
    if (ask(conn, &in, "hello", 2))
        ask(conn, &in, "two\nlines", FRAME_HEADER + 5);
    frame_close(&in);

    event("closing");
    must(close(conn));
}
