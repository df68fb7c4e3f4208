// receive.h: gob messages out of a connection, whatever pieces they come in; and what the log says of them.
#ifndef TCPLAB_RECEIVE_H
#define TCPLAB_RECEIVE_H

#include <stddef.h>

#include "gob/gob.h"

// Waits for the next value of the stream and logs the descriptions that come before it. Returns
//   the bytes that the value took: type's fields are set in value; logging it, with these bytes, is the caller's part;
//   0   there is none, and the log says why: EOF between or inside messages, an error of the stream or of read(2).
// Bytes that came too much stay in the decoder. Restarts after EINTR.
size_t receive(int conn, struct gob_decoder *in, const struct gob_type *type, void *value);

#endif
