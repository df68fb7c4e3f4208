// hold.h: how a thread waits at a log line until the conductor lets it go on. For event.c only.
//
// The wait is a gate, which is a socket pair: the line carries one end to the conductor, and the thread reads from the
// other end. A byte lets it go on, and so does EOF, which comes when the conductor closes its end or dies.
//
// The lab's own descriptors have high numbers, 500 and above if RLIMIT_NOFILE allows it. So a program's own
// descriptors are the usual 3, 4, ..., and a tracer can tell the lab's calls from the program's.
#ifndef TCPLAB_HOLD_H
#define TCPLAB_HOLD_H

#include <stdbool.h>

#include "event.h"

struct gate {
    int near;       // the thread's own end
    int far;        // the end that goes to the conductor
    int cancelling; // the thread's cancel state (pthread_setcancelstate(3)) before
};

// Reads TCPLAB_HOLD ("pauses", "all"; with any other value no thread is held) and RLIMIT_NOFILE. Call it once, and
// first.
void hold_begin(void);

// Is a thread to be held at a line of this kind?
bool hold_wanted(enum event_kind kind);

// Moves a descriptor to a high number, close-on-exec, and returns that; or fd itself if the system refuses. -1 stays
// -1.
int moved_up(int fd);

// Makes a gate whose descriptors are above a given number. Returns false if no descriptor is left, or if this thread
// is making or removing a gate already, because a signal handler that logs has interrupted it. Until gate_pass() the
// thread can't be cancelled.
bool gate_open(struct gate *gate, int above);

// Closes far, waits at near if someone has received far, and removes the gate. Each gate_open() needs one gate_pass().
void gate_pass(struct gate *gate, bool was_received);

#endif
