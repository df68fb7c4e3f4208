// A server that answers structs, and was never compiled with the client's struct: its own has another order.
//
// Parent: 04-half-close. What differs: it decodes by the description that the stream brings, and answers each message.
// Try: `printf '\3\377\202\0' | nc -N localhost 8080` as the client: a value of a type that nobody has described.
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "event.h"
#include "gob/gob.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "receive.h"

struct message {
    struct gob_bytes text;
    int64_t seq;
};

// What is agreed with the client are these two names, and that the one is text and the other one an integer.
static const struct gob_field fields[] = {
    {"Text", GOB_STRING, false, offsetof(struct message, text)},
    {"Seq", GOB_INT, false, offsetof(struct message, seq)},
};
static const struct gob_type type = {"Answer", sizeof(struct message), fields, sizeof fields / sizeof fields[0]};

static void answer(int conn, struct gob_encoder *out, int64_t seq)
{
    struct message answer = {{"Message received.", 17}, seq};
    char bytes[256];
    int n = must_say((int)gob_encode(out, &type, &answer, bytes, sizeof bytes), out->error);
    event_sending(conn, n, "writing response {Text: \"Message received.\", Seq: %lld}", (long long)seq);
    if (send_all(conn, bytes, (size_t)n) == -1)
        event("Error writing: %s", errno_name(errno));
}

static void handle(int conn)
{
    event_conn(conn, "accepted");

    struct gob_encoder out = {0};
    struct gob_decoder in;
    gob_decoder_open(&in);
    struct message message;
    size_t n;
    while ((n = receive(conn, &in, &type, &message)) > 0) {
        event_received(conn, n, "Received message: {Text: %s, Seq: %lld}", quoted(message.text.data, message.text.len),
                       (long long)message.seq);
        answer(conn, &out, message.seq);
    }
    char rest[1024];
    while (read(conn, rest, sizeof rest) > 0)
        ; // after an error we read to the end: a close with bytes unread would send a reset

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
