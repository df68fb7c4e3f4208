// What happens if the two programs do not agree on a struct, and the stream says what is in it?
// The client describes its type once, in front of the first value. The server matches the fields by name.
//
// Parent: 04-half-close; each message is a struct now, sent one byte at a time, and the server answers each.
// Try: swap the two fields, or add a third. What does the server print? Which bytes are new on the wire?
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "gob/gob.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "receive.h"

struct message {
    int64_t seq;
    struct gob_bytes text;
};

static const struct gob_field fields[] = {
    {"Seq", GOB_INT, false, offsetof(struct message, seq)},
    {"Text", GOB_STRING, false, offsetof(struct message, text)},
};
static const struct gob_type type = {"Message", sizeof(struct message), fields, sizeof fields / sizeof fields[0]};

static void say(int conn, struct gob_encoder *out, int seq, const char *text)
{
    struct message message = {.seq = seq, .text = {text, strlen(text)}};
    char bytes[256];
    int n = must_say((int)gob_encode(out, &type, &message, bytes, sizeof bytes), out->error);
    event_sending(conn, n, "sending {Seq: %d, Text: %s}", seq, quoted(text, strlen(text)));
    for (int i = 0; i < n; i++)
        must(send_all(conn, bytes + i, 1)); // byte by byte: a gob says itself where it ends, so it may be cut anywhere
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct gob_encoder out = {0}; // remembers which types it has described, so each connection has its own
    say(conn, &out, 1, "This is a message\n");
    say(conn, &out, 2, "This is a message 2\n test");
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));

    struct gob_decoder in;
    gob_decoder_open(&in);
    struct message answer;
    size_t n;
    while ((n = receive(conn, &in, &type, &answer)) > 0)
        event_received(conn, n, "Received answer: {Seq: %lld, Text: %s}", (long long)answer.seq,
                       quoted(answer.text.data, answer.text.len));

    event("closing");
    must(close(conn));
}
