// Another client for the server of exercise 20a: it sends other texts, and knows the field Length.
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../gob/gob.h"
#include "../../../receive.h"
#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

struct message {
    int64_t seq;
    struct gob_bytes text;
};

static const struct gob_field fields[] = {
    {"Seq", GOB_INT, false, offsetof(struct message, seq)},
    {"Text", GOB_STRING, false, offsetof(struct message, text)},
};
static const struct gob_type type = {"Message", sizeof(struct message), fields, sizeof fields / sizeof fields[0]};

struct answer {
    int64_t seq, length;
};

static const struct gob_field answer_fields[] = {
    {"Seq", GOB_INT, false, offsetof(struct answer, seq)},
    {"Length", GOB_INT, false, offsetof(struct answer, length)},
};
static const struct gob_type answer_type = {"Answer", sizeof(struct answer), answer_fields,
                                            sizeof answer_fields / sizeof answer_fields[0]};

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
    say(conn, &out, 1, "hello");
    say(conn, &out, 2, "");
    say(conn, &out, 3, "good night\n");
    event("shutting down SHUT_WR");
    must(shutdown(conn, SHUT_WR));

    struct gob_decoder in;
    gob_decoder_open(&in);
    struct answer answer;
    size_t n;
    while ((n = receive(conn, &in, &answer_type, &answer)) > 0)
        event_received(conn, n, "Received answer: {Seq: %lld, Length: %lld}", (long long)answer.seq,
                       (long long)answer.length);

    event("closing");
    must(close(conn));
}
