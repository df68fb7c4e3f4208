// event.h: the log lines of a scenario, which are also what the harness sees.
//
// Say before you act, say after you learn: "sending" is logged before the write, "Received message" after the read.
// Then whatever TCP makes happen before something else is also logged before it, on any machine, under any load.
//
// If you start the program by hand, a line goes to standard error: the seconds since the program's first line, the
// program's name, the text.
//
//        0.004 server  reading data
//
// Under the harness a line goes, as one datagram, to the Unix datagram socket that TCPLAB_CONDUCTOR names (an abstract
// name, written with a leading '@'). All programs of a run share that socket, so the order of its queue is the order
// of the run. These variables of the environment are read once, at the first line:
//
//     TCPLAB_CONDUCTOR=@name    where the datagrams go; unset or empty: standard error
//     TCPLAB_HOLD=pauses|all    a thread waits after a pause (or after every line) until the conductor lets it go on
//     TCPLAB_ROLE=name          what the lines call this program; else the program's own file name
//     TCPLAB_EVENTS=off         no lines at all (to measure what they cost)
//
// A datagram is ten fields, nine of them ended by a tab; the text is the rest, any bytes but control characters (those
// of a text are shown as '?'):
//
//     nanoseconds of CLOCK_MONOTONIC, process id, thread id, role, kind (EVENT_KINDS below), descriptor or -1,
//     count (send and recv: bytes; pause: nanoseconds; else 0), address or "-", file:line, text
//
// An address is 127.0.0.1:8080 or [::1]:8080. For a connection it is own>peer, and the peer is "-" if it is gone
// already.
//
// A thread that is to be held sends one end of a socket pair with its datagram (SCM_RIGHTS), and reads one byte from
// the other end. It goes on when the byte comes, or when the conductor ends. So each thread and each forked child is
// held by itself. If no descriptor is left for the pair, the line comes without one: its thread is not held, and its
// pause takes real time.
#ifndef TCPLAB_EVENT_H
#define TCPLAB_EVENT_H

#include <stddef.h>

// What a line is about, and the word for it in a datagram. This list is the only one: the enum and the words in event.c
// are made from it.
// clang-format off
#define EVENT_KINDS(KIND)                                                            \
    KIND(EVENT_NOTE, "note")     /* none of the others; no descriptor */             \
    KIND(EVENT_LISTEN, "listen") /* the descriptor listens, at the address */        \
    KIND(EVENT_CONN, "conn")     /* the descriptor is a connection, own>peer */      \
    KIND(EVENT_SEND, "send")     /* count bytes are about to be written to it */     \
    KIND(EVENT_RECV, "recv")     /* count bytes were taken from its stream */        \
    KIND(EVENT_PAUSE, "pause")   /* the thread is about to wait count nanoseconds */
#define EVENT_KIND(kind, word) kind,
enum event_kind { EVENT_KINDS(EVENT_KIND) };
// clang-format on

// The longest text of a line, in bytes; a longer one is cut and ends in "...".
enum { EVENT_TEXT_MAX = 1024 };

// Logs one line, printf-style, by one system call. Keeps errno. Safe in any thread and in forked children.
#define event(...) event_at(__FILE__, __LINE__, EVENT_NOTE, -1, 0, __VA_ARGS__)

// The same for a socket that has just begun to listen, or to be a connection: the line also carries its addresses.
// Later lines of this thread are about that connection, until it names another.
#define event_listening(listener, ...) event_at(__FILE__, __LINE__, EVENT_LISTEN, listener, 0, __VA_ARGS__)
#define event_conn(conn, ...) event_at(__FILE__, __LINE__, EVENT_CONN, conn, 0, __VA_ARGS__)

// The same for n bytes that are about to be written to conn, or that were taken from its stream.
#define event_sending(conn, n, ...) event_at(__FILE__, __LINE__, EVENT_SEND, conn, (long long)(n), __VA_ARGS__)
#define event_received(conn, n, ...) event_at(__FILE__, __LINE__, EVENT_RECV, conn, (long long)(n), __VA_ARGS__)

// Logs "pausing N s" and waits that long. Under the harness's virtual clock the wait is over when nothing else can
// happen any more, however long that takes. So a pause puts things in order, and takes no time of its own.
#define pause_seconds(seconds) pause_at(__FILE__, __LINE__, seconds)

void event_at(const char *file, int line, enum event_kind kind, int fd, long long count, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void pause_at(const char *file, int line, unsigned seconds);

#endif
