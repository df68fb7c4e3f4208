// quote.h: bytes as a C programmer would write them.
#ifndef TCPLAB_QUOTE_H
#define TCPLAB_QUOTE_H

#include <stddef.h>

// At most this many bytes are shown. If there are more, the text says how many there are.
enum { QUOTED_MAX = 64, QUOTED_SIZE = QUOTED_MAX * 4 + 40 };

// Writes n bytes into text, at least QUOTED_SIZE large, as a C string literal: "This is a message\n".
// A byte that is not printable ASCII becomes an escape: \n, \t, \r, or an octal number from \0 to \377, which has
// three digits if a digit follows it. A " and a \ get a backslash. Of more than QUOTED_MAX bytes the first QUOTED_MAX
// are written, then "... (N bytes)". Returns text.
char *quote(char *text, const void *bytes, size_t n);

// The same in a buffer that lives to the end of the enclosing block: event("got %s", quoted(buf, n)).
#define quoted(bytes, n) quote((char[QUOTED_SIZE]){0}, (bytes), (n))

#endif
