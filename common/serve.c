// serve.c: the loop that accepts, and what it does when the machine runs short.
#define _GNU_SOURCE // accept4
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

// The handlers that serve() has running, and serve() itself; the last one to leave frees it. (So it lives on the heap:
// handlers may outlive serve().)
struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned members;
    unsigned long leavings; // so far
};

struct job {
    void (*handler)(int conn);
    int conn;
    struct crowd *crowd;
};

static struct crowd *crowd_new(void)
{
    struct crowd *crowd = malloc(sizeof *crowd);
    if (crowd == NULL)
        return NULL;
    *crowd = (struct crowd){.members = 1};
    pthread_mutex_init(&crowd->lock, NULL);
    pthread_cond_init(&crowd->left, NULL);
    return crowd;
}

static void crowd_grow(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->members++;
    pthread_mutex_unlock(&crowd->lock);
}

// Takes back a crowd_grow() whose member never came.
static void crowd_shrink(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->members--;
    pthread_mutex_unlock(&crowd->lock);
}

static void crowd_leave(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    bool last = --crowd->members == 0;
    crowd->leavings++;
    pthread_cond_signal(&crowd->left);
    pthread_mutex_unlock(&crowd->lock);
    if (!last)
        return;
    pthread_cond_destroy(&crowd->left);
    pthread_mutex_destroy(&crowd->lock);
    free(crowd);
}

static unsigned long crowd_leavings(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    unsigned long leavings = crowd->leavings;
    pthread_mutex_unlock(&crowd->lock);
    return leavings;
}

// Waits until a handler has ended since the count was seen; false if none has and none is running.
static bool crowd_wait(struct crowd *crowd, unsigned long seen)
{
    pthread_mutex_lock(&crowd->lock);
    while (crowd->leavings == seen && crowd->members > 1)
        pthread_cond_wait(&crowd->left, &crowd->lock);
    bool some_left = crowd->leavings != seen;
    pthread_mutex_unlock(&crowd->lock);
    return some_left;
}

static void *run_job(void *argument)
{
    struct job job = *(struct job *)argument;
    free(argument);
    job.handler(job.conn);
    crowd_leave(job.crowd);
    return NULL;
}

// Starts the handler's thread, detached; false if memory or threads have run out.
static bool start_job(const struct job *job)
{
    pthread_attr_t detached;
    pthread_t thread;
    struct job *copy = malloc(sizeof *copy);
    if (copy == NULL || pthread_attr_init(&detached) != 0) {
        free(copy);
        return false;
    }
    *copy = *job;
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    crowd_grow(job->crowd);
    bool started = pthread_create(&thread, &detached, run_job, copy) == 0;
    pthread_attr_destroy(&detached);
    if (!started) {
        free(copy);
        crowd_shrink(job->crowd);
    }
    return started;
}

// Starts the handler's thread, if need be when another one has ended; closes the connection if none is running.
static void start_job_in_turn(const struct job *job)
{
    for (;;) {
        unsigned long seen = crowd_leavings(job->crowd);
        if (start_job(job))
            return;
        if (!crowd_wait(job->crowd, seen)) {
            close(job->conn);
            return;
        }
    }
}

// A descriptor that is kept for the time when there is no other, with a high number to keep out of the way.
static int open_spare(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int high = fd != -1 ? fcntl(fd, F_DUPFD_CLOEXEC, 500) : -1;
    if (high == -1)
        return fd;
    close(fd);
    return high;
}

// No descriptor is left, and no handler is running that would give one back: gives up the spare one, waits for a
// connection, closes it and takes the spare one back. False if there is no spare one.
static bool turn_one_away(int listener, int *spare)
{
    if (*spare == -1)
        return false;
    close(*spare);
    int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (conn != -1)
        close(conn);
    *spare = open_spare();
    return true;
}

enum failure { FAILURE_OF_ONE, FAILURE_OF_RESOURCES, FAILURE_OF_LISTENER };

// What accept(2)'s errno means for a server that wants to go on.
static enum failure classify(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM: // a firewall's word
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
        return FAILURE_OF_ONE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return FAILURE_OF_RESOURCES;
    default:
        return FAILURE_OF_LISTENER;
    }
}

// Accepts and starts handlers until the listener fails; errno says how.
static void serve_crowd(int listener, void (*handler)(int conn), struct crowd *crowd, int *spare)
{
    for (;;) {
        unsigned long seen = crowd_leavings(crowd);
        int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (conn != -1) {
            start_job_in_turn(&(struct job){handler, conn, crowd});
            continue;
        }
        enum failure failure = classify(errno);
        if (failure == FAILURE_OF_LISTENER)
            return;
        // Do not spin: with no descriptor left, accept(2) fails at once, and again and again. (It does spin where the
        // kernel itself has no memory and no handler is running that might give some back.)
        if (failure == FAILURE_OF_RESOURCES && !crowd_wait(crowd, seen) && !turn_one_away(listener, spare))
            return;
    }
}

int serve(int listener, void (*handler)(int conn))
{
    struct crowd *crowd = crowd_new();
    if (crowd == NULL)
        return -1;
    int spare = open_spare();
    serve_crowd(listener, handler, crowd, &spare);
    int error = errno;
    if (spare != -1)
        close(spare);
    crowd_leave(crowd);
    errno = error;
    return -1;
}
