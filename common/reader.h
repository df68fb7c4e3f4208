// reader.h: lines out of a stream of bytes.
//
// A stream has no lines: read(2) returns what is there, half a line or three. If more bytes come than one line needs,
// the reader keeps them for the next call. Those bytes are then in no kernel's queue any more: they are in this
// program.
#ifndef TCPLAB_READER_H
#define TCPLAB_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    READER_ROOM = 64 * 1024,       // a line that fits into this is not copied
    READER_LINE_MAX = 1024 * 1024, // the longest line, newline included
};

// n bytes at data; not NUL-terminated, may hold NULs.
struct slice {
    const char *data;
    size_t len;
};

// All members are the reader's own.
struct reader {
    int fd;
    bool ended;              // EOF was seen
    char *buf;               // room, or allocated while a line is longer
    size_t size, start, end; // of buf; bytes [start, end) were read from fd and not handed over yet
    char room[READER_ROOM];
};

// Starts reading from fd, which stays the caller's.
void reader_open(struct reader *in, int fd);

// Waits for the next line. Returns
//   1   line is the next one, its '\n' included;
//   0   end of file; line is the unfinished rest, of length 0 if the last line was whole. Later calls: 0 and length 0;
//  -1   with errno of read(2) (the bytes read so far stay for the next call), with EMSGSIZE if READER_LINE_MAX bytes
//       have come and none is a newline (then each later call fails in the same way), or with ENOMEM.
// line points into the reader and is good until the next call. Restarts after EINTR.
static inline int read_line(struct reader *in, struct slice *line);

// Frees what a long line took. Does not close fd.
void reader_close(struct reader *in);

// The part of read_line that calls read(2).
int read_more_and_take_line(struct reader *in, struct slice *line);

// This is here, and not in reader.c, because most lines are in the buffer already, and a call would cost as much as
// the search.
static inline int read_line(struct reader *in, struct slice *line)
{
    const char *first = in->buf + in->start;
    const char *newline = memchr(first, '\n', in->end - in->start);
    if (newline == NULL)
        return read_more_and_take_line(in, line);
    line->data = first;
    line->len = (size_t)(newline + 1 - first);
    in->start += line->len;
    return 1;
}

#endif
