// serve.c: accept in a loop, a thread for each connection.
//
// A real server has two things that are left out here: an end, and a plan for a machine that runs short. If no
// descriptor is left (EMFILE), or no memory, or no thread can be started, serve() gives up and returns. A real server
// would accept no more for a while, let its handlers finish, and go on. It would also limit how many threads it
// starts.
#define _GNU_SOURCE // accept4, and ENONET
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

struct job {
    void (*handler)(int conn);
    int conn;
};

static void *run_job(void *argument)
{
    struct job job = *(struct job *)argument;
    free(argument);
    job.handler(job.conn);
    return NULL;
}

// Starts a thread that runs handler(conn), and does not wait for it. Returns 0, or -1 and errno.
static int start(void (*handler)(int conn), int conn)
{
    struct job *job = malloc(sizeof *job);
    if (job == NULL)
        return -1;
    *job = (struct job){handler, conn};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_job, job);
    if (error != 0) {
        free(job);
        errno = error;
        return -1;
    }
    pthread_detach(thread);
    return 0;
}

// Did accept(2) fail only because of this one connection? It also reports errors that the connection had before accept
// could return it (accept(2), "Error handling").
static bool is_of_one_connection(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPERM: // a firewall forbids this connection
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

int serve(int listener, void (*handler)(int conn))
{
    for (;;) {
        int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (conn == -1 && is_of_one_connection(errno))
            continue;
        if (conn == -1)
            return -1;
        if (start(handler, conn) == -1) {
            int error = errno;
            close(conn);
            errno = error;
            return -1;
        }
    }
}
