// links: scenarios/08-length-prefix/frame.c
// flags: -max_len=4096 -malloc_limit_mb=1
//
// Does the decoder of frames find what a naive one finds that has the whole stream before it, wherever that is cut? And
// are the frames that it found, encoded again, the stream?
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "frame.h"
#include "pieces.h"

enum {
    LIMIT = FRAME_MAX + 4096, // of the stream
    PIPE_MAX = 4096,          // what an empty pipe takes, however small the system has made it
};

// What came out of a stream: 0 or -1 at its end, bytes in whole frames, and what had come of the next one.
struct outcome {
    int end;
    size_t taken, got, length;
};

static struct pieces stream;

static struct outcome model(void)
{
    struct outcome all = {0};
    const unsigned char *bytes = (const unsigned char *)stream.bytes;
    for (;;) {
        size_t left = stream.n - all.taken;
        const unsigned char *at = bytes + all.taken;
        all.got = left;
        all.length = 0;
        if (left < FRAME_HEADER)
            return all;
        all.length = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
        if (all.length > FRAME_MAX) {
            all.got = FRAME_HEADER;
            all.end = -1;
            return all;
        }
        if (left - FRAME_HEADER < all.length)
            return all;
        all.taken += FRAME_HEADER + all.length;
    }
}

// The frame in the decoder, encoded again, must be the stream's next bytes.
static void check(const struct frame *in, size_t *taken)
{
    static char again[FRAME_HEADER + FRAME_MAX];
    ssize_t n = frame_encode(again, sizeof again, in->payload, in->length);
    REQUIRE(n == (ssize_t)(FRAME_HEADER + in->length) && n == (ssize_t)in->got);
    REQUIRE((size_t)n <= stream.n - *taken && memcmp(again, stream.bytes + *taken, (size_t)n) == 0);
    *taken += (size_t)n;
}

// Gives the decoder bytes up to `end`, `*fed` of which it has already. False if it refuses.
static bool feed(struct frame *in, size_t *fed, size_t end, size_t *taken)
{
    while (*fed < end) {
        size_t room;
        char *space = frame_space(in, &room);
        REQUIRE(room >= 1);
        size_t n = room < end - *fed ? room : end - *fed;
        memcpy(space, stream.bytes + *fed, n);
        *fed += n;
        int got = frame_received(in, n);
        REQUIRE(got == 0 || got == 1 || errno == EMSGSIZE);
        if (got == -1)
            return false;
        if (got == 1)
            check(in, taken);
    }
    return true;
}

// What the decoder makes of the stream in pieces of that size, or, if it is 0, in its own pieces.
static struct outcome decode(size_t size)
{
    struct frame in = {0};
    size_t fed = 0, taken = 0, piece = 0;
    bool goes_on = true;
    while (goes_on && fed < stream.n) {
        size_t end = size == 0 ? stream.ends[piece++] : fed + size;
        goes_on = feed(&in, &fed, end < stream.n ? end : stream.n, &taken);
    }
    if (goes_on && stream.n > 0 && in.got >= FRAME_HEADER && in.got == FRAME_HEADER + in.length)
        frame_close(&in); // whole, and checked
    struct outcome all = {goes_on ? 0 : -1, taken, in.got, in.length};
    frame_close(&in);
    return all;
}

// The same by read_length() and read_payload(), from a pipe that holds the stream.
static struct outcome decode_from_pipe(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0 && write(ends[1], stream.bytes, stream.n) == (ssize_t)stream.n);
    close(ends[1]);
    struct frame in = {0};
    size_t taken = 0;
    int got;
    while ((got = read_length(&in, ends[0])) == 1 && (got = read_payload(&in, ends[0])) == 1)
        check(&in, &taken);
    REQUIRE(got == 0 || errno == EMSGSIZE);
    struct outcome all = {got, taken, in.got, in.length};
    frame_close(&in);
    close(ends[0]);
    return all;
}

static void require_equal(struct outcome a, struct outcome b)
{
    REQUIRE(a.end == b.end);
    REQUIRE(a.taken == b.taken);
    REQUIRE(a.got == b.got);
    REQUIRE(a.length == b.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pieces_from(&stream, LIMIT, data, size);
    struct outcome expected = model();
    require_equal(decode(0), expected);
    require_equal(decode(stream.n + 1), expected);
    if (stream.n <= PIPE_MAX) {
        require_equal(decode(1), expected);
        require_equal(decode_from_pipe(), expected);
    }
    return 0;
}
