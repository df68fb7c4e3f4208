// pieces.h: what a fuzzer's bytes stand for here: a stream, and where it is cut.
//
// The input is a row of pieces. Of a first byte the highest bit says what follows: 0, bytes, one more than the six lowest
// bits say; 1, two bytes that are a count together with those six bits, and the byte that is meant so many times. So a
// few bytes make a line of a megabyte, and the fuzzer can change its length by one. The bit between says that the next
// piece is not cut off from this one.
#ifndef TCPLAB_PIECES_H
#define TCPLAB_PIECES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 4096, STREAM_MAX = 1024 * 1024 + 128 * 1024 };

// n bytes, cut behind each of the places ends[0..count); the last of them is n.
struct pieces {
    char bytes[STREAM_MAX];
    size_t n;
    size_t ends[PIECES_MAX];
    size_t count;
};

// What must be true of every input; if it is not, that is the finding.
#define REQUIRE(condition)                                                                                             \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

// At most `limit` bytes, which is at most STREAM_MAX.
static inline void pieces_from(struct pieces *to, size_t limit, const uint8_t *data, size_t size)
{
    to->n = to->count = 0;
    for (size_t at = 0; at < size && to->count + 1 < PIECES_MAX;) {
        uint8_t first = data[at++];
        size_t room = limit - to->n;
        if (first < 128) {
            size_t n = (size_t)(first & 63) + 1;
            n = n < size - at ? n : size - at;
            n = n < room ? n : room;
            memcpy(to->bytes + to->n, data + at, n);
            at += n;
            to->n += n;
        } else if (size - at >= 3) {
            size_t n = (size_t)(first & 63) << 16 | (size_t)data[at] << 8 | data[at + 1];
            n = n < room ? n : room;
            memset(to->bytes + to->n, data[at + 2], n);
            at += 3;
            to->n += n;
        } else {
            break;
        }
        if ((first & 64) == 0)
            to->ends[to->count++] = to->n;
    }
    to->ends[to->count] = to->n;
    to->count += to->count == 0 || to->ends[to->count - 1] < to->n;
}

#endif
