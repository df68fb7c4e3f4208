// hold.c: gates, and descriptors with high numbers.
//
// Each line makes a new gate. A gate can't be kept for the next line: if the thread still had the far end too, it
// would read no EOF when the conductor dies. Under a tracer each call takes long. So this file makes few calls, and
// those that a tracer looks at (sendmsg, read, close) are made on high numbers. socketpair(2) gives two low numbers,
// and one close_range(2) closes both. That call says that it is the lab's own, so no tracer stops it.
//
// fork(2) gives the child a copy of every gate that is open at that moment. With such a copy the child would keep a
// thread of its parent waiting when the conductor is dead. So the numbers of all gates are kept in a table, and the
// child closes them. The table has a lock; without it a fork could come between socketpair(2) and the entry in the
// table. (A child that is made without the handlers of pthread_atfork(3), by clone(2), keeps its copies until it ends
// or calls exec. So does one whose gates have numbers that the table has no room for.)
#define _GNU_SOURCE
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 // the same number on every machine; it came with Linux 5.9
#endif

// The lab's own close_range(2) passes this as a fourth argument. The call has three: the kernel does not look at a
// fourth one. The harness's filter of calls does (ptrace.py).
enum { OURS = 0x7463706c };

enum { USUAL_DESCRIPTORS = 500, TABLE_SIZE = 4096 };

static bool hold_pauses, hold_all;
static int lowest; // the lab's own descriptors have this number or a higher one
static bool is_gate[TABLE_SIZE];

// The table's lock, and how often this thread has asked for it. The count is for signal handlers: a handler that logs
// or forks may interrupt its thread while the thread has the lock.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local volatile sig_atomic_t asked;

static void lock_table(void)
{
    if (asked++ == 0)
        pthread_mutex_lock(&lock);
}

static void unlock_table(void)
{
    if (asked == 1)
        pthread_mutex_unlock(&lock);
    asked--;
}

static void enter(int fd, bool open)
{
    if (fd < TABLE_SIZE)
        is_gate[fd] = open;
}

static void after_fork_in_child(void)
{
    for (int fd = 0; fd < TABLE_SIZE; fd++)
        if (is_gate[fd]) {
            close(fd);
            is_gate[fd] = false;
        }
    unlock_table();
}

void hold_begin(void)
{
    const char *hold = getenv("TCPLAB_HOLD");
    hold_all = hold != NULL && strcmp(hold, "all") == 0;
    hold_pauses = hold_all || (hold != NULL && strcmp(hold, "pauses") == 0);

    struct rlimit limit;
    lowest = USUAL_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 2 * USUAL_DESCRIPTORS)
        lowest = (int)limit.rlim_cur / 2;
    if (hold_pauses)
        pthread_atfork(lock_table, unlock_table, after_fork_in_child);
}

bool hold_wanted(enum event_kind kind)
{
    return hold_all || (hold_pauses && kind == EVENT_PAUSE);
}

int moved_up(int fd)
{
    int high = fd != -1 ? fcntl(fd, F_DUPFD_CLOEXEC, lowest) : -1;
    if (high == -1)
        return fd;
    close(fd);
    return high;
}

static void close_both(const int pair[2])
{
    if (pair[1] == pair[0] + 1 && syscall(SYS_close_range, pair[0], pair[1], 0, OURS) == 0)
        return;
    close(pair[0]);
    close(pair[1]);
}

// Moves both descriptors of a pair to numbers from floor on. If the system refuses one of them, both stay as they
// were.
static void move_both_up(int pair[2], int floor)
{
    int high[2];
    high[0] = fcntl(pair[0], F_DUPFD_CLOEXEC, floor);
    if (high[0] == -1)
        return;
    high[1] = fcntl(pair[1], F_DUPFD_CLOEXEC, floor);
    if (high[1] == -1) {
        close(high[0]);
        return;
    }
    close_both(pair);
    memcpy(pair, high, sizeof high);
}

bool gate_open(struct gate *gate, int above)
{
    if (asked > 0)
        return false;
    int pair[2];
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &gate->cancelling); // else the gate or the lock could be left behind
    lock_table();
    bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
    if (made) {
        move_both_up(pair, (above > lowest ? above : lowest) + 1);
        gate->near = pair[0];
        gate->far = pair[1];
        enter(gate->near, true);
        enter(gate->far, true);
    }
    unlock_table();
    if (!made)
        pthread_setcancelstate(gate->cancelling, NULL);
    return made;
}

static void remove_end(int fd)
{
    lock_table();
    if (fd >= TABLE_SIZE || is_gate[fd]) // else a child, forked in a signal handler, has closed it
        close(fd);
    enter(fd, false);
    unlock_table();
}

void gate_pass(struct gate *gate, bool was_received)
{
    remove_end(gate->far); // now only the conductor has it: when it dies, we read EOF
    char go;
    while (was_received && read(gate->near, &go, 1) == -1 && errno == EINTR)
        ;
    remove_end(gate->near);
    pthread_setcancelstate(gate->cancelling, NULL);
}
