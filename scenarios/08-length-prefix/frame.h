// frame.h: messages out of a stream of bytes, each behind its own length.
//
//     length: 4 bytes, the highest first | payload: so many bytes, of any value
//
// The decoder says where the next bytes belong and how many are missing, and does no input of its own. read_length() and
// read_payload() bring it bytes from a descriptor: two reads for each frame at least. A real program would take more at
// once and cut it later, as common/reader.h does.
#ifndef TCPLAB_FRAME_H
#define TCPLAB_FRAME_H

#include <stddef.h>
#include <sys/types.h>

enum {
    FRAME_HEADER = 4,      // bytes of a length
    FRAME_MAX = 64 * 1024, // bytes of a payload; a length over this is refused before any memory is taken for it
};

// The frame that is coming. A length of 0 is a frame, too.
struct frame {
    size_t got;    // bytes that have come, with those of the length; 0 between frames
    size_t length; // how long the payload is to be; known from got == FRAME_HEADER on
    char *payload; // length bytes on the heap, or NULL
    char header[FRAME_HEADER];
};

// Writes the frame for n bytes of payload to bytes[0..size). Returns its length, FRAME_HEADER + n; or -1 and EMSGSIZE if n
// is over FRAME_MAX or the frame is over size.
ssize_t frame_encode(char *bytes, size_t size, const void *payload, size_t n);

// Gives up what has come, and frees the payload. Then in is ready for another frame. For a first frame set it to zero:
// struct frame in = {0};
void frame_close(struct frame *in);

// Returns where the next bytes of the stream belong. *room says how many: at least 1, and never so many that they reach
// from the length into the payload. If the last frame is whole, this gives it up and begins the next one.
char *frame_space(struct frame *in, size_t *room);

// Says that n more bytes, at most that room, were put there. Returns
//   1   the frame is whole: length bytes at payload, until the next frame_space();
//   0   more bytes are needed;
//  -1   and errno: EMSGSIZE if the announced length is over FRAME_MAX, or ENOMEM. Then call only frame_close().
int frame_received(struct frame *in, size_t n);

// Gives up the last frame, and reads from fd until the next one's length is known. Then it returns 1. At end of file it
// returns 0, and in->got bytes of the length have come. Else it returns -1 and errno of read(2) or of frame_received().
// Restarts after EINTR.
int read_length(struct frame *in, int fd);

// Reads the payload behind that length. Returns as read_length() does. At end of file in->got - FRAME_HEADER bytes of
// in->length have come.
int read_payload(struct frame *in, int fd);

#endif
