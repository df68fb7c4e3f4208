#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void reader_open(struct reader *in, int fd)
{
    in->fd = fd;
    in->ended = false;
    in->buf = in->room;
    in->size = sizeof in->room;
    in->start = in->end = 0;
}

void reader_close(struct reader *in)
{
    if (in->buf != in->room)
        free(in->buf);
    in->buf = NULL;
}

// Moves the bytes that are not handed over yet to the beginning of buf, which has room for them and for more.
static void move_to(struct reader *in, char *buf, size_t size)
{
    size_t n = in->end - in->start;
    memmove(buf, in->buf + in->start, n);
    if (in->buf != in->room && in->buf != buf)
        free(in->buf);
    in->buf = buf;
    in->size = size;
    in->start = 0;
    in->end = n;
}

// Makes sure that there is room to read into. Allocated memory is freed as soon as the bytes that are left fit into
// room.
static int make_room(struct reader *in)
{
    size_t n = in->end - in->start;
    if (in->buf != in->room && n < sizeof in->room) {
        move_to(in, in->room, sizeof in->room);
    } else if (n == 0) {
        in->start = in->end = 0;
    } else if (in->end == in->size && n < in->size) {
        move_to(in, in->buf, in->size);
    } else if (n == READER_LINE_MAX) {
        errno = EMSGSIZE;
        return -1;
    } else if (n == in->size) {
        char *larger = malloc(READER_LINE_MAX); // pages that are never written take no memory
        if (larger == NULL)
            return -1;
        move_to(in, larger, READER_LINE_MAX);
    }
    return 0;
}

// Reads what there is, and waits for at least one byte. Returns how many; 0 at EOF; -1 and errno.
static ssize_t read_more(struct reader *in)
{
    if (make_room(in) == -1)
        return -1;
    ssize_t n;
    do
        n = read(in->fd, in->buf + in->end, in->size - in->end);
    while (n == -1 && errno == EINTR);
    if (n > 0)
        in->end += (size_t)n;
    return n;
}

// Hands over the next n bytes.
static void take(struct reader *in, size_t n, struct slice *line)
{
    *line = (struct slice){in->buf + in->start, n};
    in->start += n;
}

int read_more_and_take_line(struct reader *in, struct slice *line)
{
    for (;;) {
        size_t searched = in->end - in->start; // these bytes have no newline
        ssize_t n = in->ended ? 0 : read_more(in);
        if (n == -1)
            return -1;
        if (n == 0) {
            in->ended = true;
            take(in, searched, line);
            return 0;
        }
        const char *first = in->buf + in->start;
        const char *newline = memchr(first + searched, '\n', (size_t)n);
        if (newline != NULL) {
            take(in, (size_t)(newline - first) + 1, line);
            return 1;
        }
    }
}
