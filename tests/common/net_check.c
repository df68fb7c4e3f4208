// What net.h promises, tried. Usage: net_check WHAT ...
//     dial|listen HOST PORT      prints "ok" and the port, or errno's name and the words
//     arguments ...              prints the address that its arguments name
//     interrupted                dials with a connect(2) that says EINTR
//     closed send_all|write      sends to a peer that has closed, until that fails; prints errno's name
//     whole                      8 MiB to a reader that takes little at a time
//     serve FILES THREADS FAULTS serves with RLIMIT_NOFILE = FILES and at most THREADS handlers at a time (0: no limit),
//                                and makes the first FAULTS accepts fail. Prints the port, each failure of accept, what
//                                serve() said in the end, and how often it had called accept. Handlers obey one byte:
//                                e(cho), q(uit).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "must.h"
#include "net.h"

static int the_listener, faults_left, thread_limit;
static bool interrupting;
static atomic_int running, calls;

// The linker's --wrap brings the library's calls of these three here.
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int result = __real_connect(fd, address, size);
    if (!interrupting || result == -1)
        return result;
    errno = EINTR;
    return -1;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    static const int faults[] = {ECONNABORTED, EINTR, EPROTO, ENETUNREACH, EPERM};
    calls++;
    int conn = -1;
    if (faults_left > 0)
        errno = faults[--faults_left % 5];
    else
        conn = __real_accept4(fd, address, size, flags);
    if (conn == -1) {
        int error = errno;
        printf("%s\n", errno_name(error));
        errno = error;
    }
    return conn;
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x)
{
    if (thread_limit > 0 && running >= thread_limit)
        return EAGAIN;
    running++;
    int result = __real_pthread_create(t, a, f, x);
    if (result != 0)
        running--;
    return result;
}

static int port_of(int fd)
{
    struct sockaddr_in6 address; // the port stands at the same place in both families
    socklen_t size = sizeof address;
    must(getsockname(fd, (struct sockaddr *)&address, &size));
    return ntohs(address.sin6_port);
}

static int report(int fd, const struct address *address)
{
    if (fd == -1)
        printf("%s %s\n", errno_name(errno), address->error);
    else
        printf("ok %d%s\n", port_of(fd), address->error);
    return 0;
}

static int open_pair(int pair[2])
{
    struct address here = {.host = "127.0.0.1", .port = "0"};
    int listener = must_say(listen_on(&here), here.error);
    char port[8];
    snprintf(port, sizeof port, "%d", port_of(listener));
    here.port = port;
    pair[0] = must_say(dial(&here), here.error);
    pair[1] = (int)must(accept(listener, NULL, NULL));
    return close(listener);
}

static int interrupted(void)
{
    interrupting = true;
    int pair[2];
    open_pair(pair);
    must(send_all(pair[0], "x", 1));
    char byte;
    must(read(pair[1], &byte, 1));
    puts("ok");
    return 0;
}

static int closed(const char *how)
{
    int pair[2];
    open_pair(pair);
    close(pair[1]);
    if (strcmp(how, "write") == 0)
        while (write(pair[0], "x", 1) != -1)
            ;
    else
        while (send_all(pair[0], "x", 1) != -1)
            ;
    puts(errno_name(errno));
    return 0;
}

enum { WHOLE = 8 << 20 };

static void *send_whole(void *argument)
{
    int conn = *(int *)argument;
    char *bytes = malloc(WHOLE);
    for (size_t i = 0; i < WHOLE; i++)
        bytes[i] = (char)(i * 7 >> 3);
    must(send_all(conn, bytes, WHOLE));
    free(bytes);
    close(conn);
    return NULL;
}

static int whole(void)
{
    int pair[2];
    open_pair(pair);
    pthread_t thread;
    pthread_create(&thread, NULL, send_whole, &pair[0]);
    static char buf[5000];
    size_t at = 0;
    ssize_t n;
    while ((n = must(read(pair[1], buf, sizeof buf))) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (buf[i] != (char)(at * 7 >> 3))
                return 1;
    pthread_join(thread, NULL);
    return at == WHOLE ? 0 : 1;
}

static void handle(int conn)
{
    char byte = 0;
    if (read(conn, &byte, 1) == 1)
        send_all(conn, &byte, 1);
    if (byte == 'q')
        shutdown(the_listener, SHUT_RDWR); // accept(2) then says EINVAL
    running--;
    close(conn);
}

static int run_serve(int files, int threads, int faults)
{
    struct address here = {.host = "127.0.0.1", .port = "0"};
    the_listener = must_say(listen_on(&here), here.error);
    faults_left = faults;
    thread_limit = threads;
    if (files > 0)
        must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)files, (rlim_t)files}));
    printf("port %d\n", port_of(the_listener));
    if (serve(the_listener, handle) == -1) // it always does, in the end
        printf("serve says %s\n", errno_name(errno));
    printf("calls %d\n", calls);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "arguments") == 0) {
        struct address address = address_from(argc - 1, argv + 1);
        printf("%s %s%s\n", address.host, address.port, address.error);
        return 0;
    }
    struct address address = {.host = argc > 2 ? argv[2] : "", .port = argc > 3 ? argv[3] : "0"};
    if (strcmp(what, "dial") == 0)
        return report(dial(&address), &address);
    if (strcmp(what, "listen") == 0)
        return report(listen_on(&address), &address);
    if (strcmp(what, "interrupted") == 0)
        return interrupted();
    if (strcmp(what, "closed") == 0 && argc > 2)
        return closed(argv[2]);
    if (strcmp(what, "whole") == 0)
        return whole();
    if (strcmp(what, "serve") == 0 && argc > 4)
        return run_serve(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    return 2;
}
