// receive.h: takes gob messages out of a connection, in whatever pieces they come, and logs them.
#ifndef TCPLAB_RECEIVE_H
#define TCPLAB_RECEIVE_H

#include <stddef.h>

#include "gob/gob.h"

// Waits for the next value of the stream and logs the descriptions that come before it. Returns
//   how many bytes the value took. type's fields are set in value. The caller logs the value, with these bytes;
//   0   if there is none. The log says why: EOF between or inside messages, an error of the stream or of read(2).
// Bytes behind the value stay in the decoder. Restarts after EINTR.
size_t receive(int conn, struct gob_decoder *in, const struct gob_type *type, void *value);

#endif
