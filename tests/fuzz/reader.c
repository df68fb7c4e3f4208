// links: common/reader.c
// flags: -max_len=4096 -malloc_limit_mb=2
//
// Are the lines that the reader hands over the stream, whatever it is and however it comes? Each piece goes into a
// pipe, and is read until the pipe is empty.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "pieces.h"
#include "reader.h"

enum { LINES_MAX = 5000 }; // more only take time

static struct pieces stream;
static struct reader in;
// Bytes of the stream: written into the pipe, handed over by the reader, and known to be no newline behind those.
static size_t fed, taken, searched;

// The line must be the stream's next bytes, and no larger memory was taken than is promised.
static void check(const struct slice *line, bool whole)
{
    REQUIRE(line->len <= fed - taken && memcmp(line->data, stream.bytes + taken, line->len) == 0);
    const char *newline = memchr(line->data, '\n', line->len);
    REQUIRE(newline == (whole ? line->data + line->len - 1 : NULL));
    REQUIRE(line->len <= READER_LINE_MAX && in.size <= READER_LINE_MAX);
    REQUIRE(in.buf == in.room || in.size > READER_ROOM);
    taken += line->len;
}

// Reads until the reader wants more bytes; then there must be no line left in those that it has. False if it gave up.
static bool read_what_is_there(void)
{
    for (;;) {
        struct slice line;
        int got = read_line(&in, &line);
        if (got == 1) {
            check(&line, true);
            continue;
        }
        REQUIRE(got == -1 && (errno == EAGAIN || errno == EMSGSIZE));
        int error = errno;
        REQUIRE(in.end - in.start == fed - taken);
        searched = searched < taken ? taken : searched;
        REQUIRE(memchr(stream.bytes + searched, '\n', fed - searched) == NULL);
        searched = fed;
        REQUIRE(fed - taken <= READER_LINE_MAX && (error == EMSGSIZE) == (fed - taken == READER_LINE_MAX));
        return error == EAGAIN;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Writes the stream into the pipe, a piece at a time and no more than it takes at once. False if the reader gave up.
static bool feed(int pipe_end)
{
    fcntl(pipe_end, F_SETPIPE_SZ, 1024 * 1024); // if it may be so large
    size_t capacity = (size_t)fcntl(pipe_end, F_GETPIPE_SZ);
    for (size_t i = 0; i < stream.count; i++)
        while (fed < stream.ends[i]) {
            // Not beyond the longest line either: the reader takes no more out of the pipe then.
            size_t n = least(least(stream.ends[i] - fed, capacity), READER_LINE_MAX - (fed - taken));
            REQUIRE(write(pipe_end, stream.bytes + fed, n) == (ssize_t)n);
            fed += n;
            if (!read_what_is_there())
                return false;
        }
    return true;
}

static size_t lines_of(const struct pieces *p)
{
    size_t lines = 0;
    for (const char *at = p->bytes; (at = memchr(at, '\n', p->n - (size_t)(at - p->bytes))) != NULL; at++)
        lines++;
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pieces_from(&stream, STREAM_MAX, data, size);
    if (lines_of(&stream) > LINES_MAX)
        return 0;
    fed = taken = searched = 0;
    int ends[2];
    REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
    reader_open(&in, ends[0]);
    bool goes_on = feed(ends[1]);
    close(ends[1]);
    struct slice line;
    for (int i = 0; i < 2; i++) { // the end, and once more
        int got = read_line(&in, &line);
        REQUIRE(goes_on ? got == 0 : got == -1 && errno == EMSGSIZE);
        if (goes_on)
            check(&line, false);
        REQUIRE(!goes_on || taken == stream.n);
    }
    reader_close(&in);
    close(ends[0]);
    return 0;
}
