#include "frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t frame_encode(char *bytes, size_t size, const void *payload, size_t n)
{
    if (n > FRAME_MAX || size < FRAME_HEADER + n) {
        errno = EMSGSIZE;
        return -1;
    }
    uint32_t length = htonl((uint32_t)n); // host to network: the highest byte first
    memcpy(bytes, &length, FRAME_HEADER);
    if (n > 0)
        memcpy(bytes + FRAME_HEADER, payload, n);
    return (ssize_t)(FRAME_HEADER + n);
}

void frame_close(struct frame *in)
{
    free(in->payload);
    in->payload = NULL;
    in->got = in->length = 0;
}

char *frame_space(struct frame *in, size_t *room)
{
    if (in->got >= FRAME_HEADER && in->got == FRAME_HEADER + in->length)
        frame_close(in);
    if (in->got < FRAME_HEADER) {
        *room = FRAME_HEADER - in->got;
        return in->header + in->got;
    }
    *room = FRAME_HEADER + in->length - in->got;
    return in->payload + (in->got - FRAME_HEADER);
}

// The length is whole, and says how many bytes the frame has. It may be a lie, so a large one is refused.
static int begin_payload(struct frame *in)
{
    uint32_t length;
    memcpy(&length, in->header, FRAME_HEADER);
    length = ntohl(length);
    in->length = length;
    if (length > FRAME_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (length > 0 && (in->payload = malloc(length)) == NULL)
        return -1;
    return 0;
}

int frame_received(struct frame *in, size_t n)
{
    in->got += n;
    if (in->got == FRAME_HEADER && begin_payload(in) == -1)
        return -1;
    return in->got >= FRAME_HEADER && in->got == FRAME_HEADER + in->length;
}

static int read_up_to(struct frame *in, int fd, size_t end)
{
    while (in->got < end) {
        size_t room;
        char *space = frame_space(in, &room);
        ssize_t n = read(fd, space, room); // what is there, and not what was asked for
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        if (frame_received(in, (size_t)n) == -1)
            return -1;
    }
    return 1;
}

int read_length(struct frame *in, int fd)
{
    frame_close(in);
    return read_up_to(in, fd, FRAME_HEADER);
}

int read_payload(struct frame *in, int fd)
{
    return read_up_to(in, fd, FRAME_HEADER + in->length);
}
