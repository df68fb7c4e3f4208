// What the cases with common/ share: they send and receive with a log line each.
#ifndef TALK_H
#define TALK_H

#include <errno.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"

static inline void say(int conn, const char *bytes, size_t n)
{
    event_sending(conn, n, "sending %s", quoted(bytes, n));
    must(send_all(conn, bytes, n));
}

static inline ssize_t hear(int conn, char *buf, size_t room)
{
    event("reading data");
    ssize_t n = read(conn, buf, room);
    if (n > 0)
        event_received(conn, n, "Received %zd bytes: %s", n, quoted(buf, (size_t)n));
    else if (n == 0)
        event("EOF");
    else
        event("%s", errno_name(errno));
    return n;
}

#endif
