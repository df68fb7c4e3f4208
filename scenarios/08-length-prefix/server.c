// A server that takes frames: a length, then so many bytes, however they were cut on the way.
//
// Parent: 03-ack-per-packet. What differs: a message ends where its length says, and not at a newline.
// Try: `printf '\0\0\0\5hel' | nc -N localhost 8080` as the client. And with \377 in place of each \0?
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "frame.h"
#include "must.h"
#include "net.h"
#include "quote.h"

// Receives one frame and logs its bytes. Returns 1; 0 at the end of the stream; -1 after an error.
static int receive(int conn, struct frame *in)
{
    event("reading data");
    int got = read_length(in, conn);
    if (got == 1) {
        event_received(conn, FRAME_HEADER, "length %zu", in->length);
        got = read_payload(in, conn);
    }
    // The stream may end between two frames. In the middle of a frame it is cut off.
    if (got == 1)
        event_received(conn, in->length, "Received message: %s", quoted(in->payload, in->length));
    else if (got == 0 && in->got == 0)
        event("EOF between frames");
    else if (got == 0 && in->got < FRAME_HEADER)
        event_received(conn, in->got, "EOF inside a length, %zu of %d bytes", in->got, FRAME_HEADER);
    else if (got == 0)
        event_received(conn, in->got - FRAME_HEADER, "EOF inside a frame, %zu of %zu bytes", in->got - FRAME_HEADER,
                       in->length);
    else if (errno == EMSGSIZE)
        event_received(conn, FRAME_HEADER, "length %zu refused, at most %d", in->length, FRAME_MAX);
    else
        event("Error reading: %s", errno_name(errno));
    return got;
}

static void handle(int conn)
{
    event_conn(conn, "accepted");

    struct frame in = {0};
    while (receive(conn, &in) == 1) {
        char answer[FRAME_HEADER + 17];
        ssize_t n = frame_encode(answer, sizeof answer, "Message received.", 17);
        event_sending(conn, n, "writing response");
        if (send_all(conn, answer, (size_t)n) == -1)
            event("Error writing: %s", errno_name(errno));
    }
    frame_close(&in);

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
