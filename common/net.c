#include "net.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "must.h"

static bool is_port(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 5 && strspn(text, "0123456789") == n && atoi(text) <= 65535;
}

struct address address_from(int argc, char **argv)
{
    struct address address = {.host = argc > 1 ? argv[1] : "localhost", .port = argc > 2 ? argv[2] : "8080"};
    bool port_alone = argc == 2 && is_port(argv[1]); // taken as a host, 8080 would be 0.0.31.144
    if (argc > 3 || port_alone || !is_port(address.port)) {
        fprintf(stderr, "usage: %s [host [port]]   port: a number from 0 to 65535\n", argc > 0 ? argv[0] : "program");
        if (port_alone)
            fprintf(stderr, "The host comes first: %s localhost %s\n", argv[0], argv[1]);
        exit(2);
    }
    return address;
}

// Adds the reason why an operation on one of the addresses failed. If there is no room for all, only the last one
// stays.
static void add_error(struct address *address, const char *operation, const struct addrinfo *one)
{
    int error = errno;
    char host[64] = "?", words[ADDRESS_ERROR_SIZE];
    getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST);
    snprintf(words, sizeof words, "%s %s port %s: %s (%s)", operation, host, address->port, errno_name(error),
             strerror(error));
    if (address->error[0] != '\0' && strlen(address->error) + strlen("; ") + strlen(words) < sizeof address->error)
        strcat(strcat(address->error, "; "), words);
    else
        strcpy(address->error, words);
    errno = error;
}

// Returns the addresses of a host; or NULL, with errno and the words. It does not use AI_ADDRCONFIG, because that does
// not count loopback addresses (getaddrinfo(3)), and a private network has no others.
static struct addrinfo *resolve(struct address *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    address->error[0] = '\0';
    int result = getaddrinfo(address->host, address->port, &hints, &list);
    if (result == 0)
        return list;
    int error = result == EAI_SYSTEM ? errno : EHOSTUNREACH;
    snprintf(address->error, sizeof address->error, "getaddrinfo of %s port %s: %s", address->host, address->port,
             result == EAI_SYSTEM ? strerror(error) : gai_strerror(result));
    errno = error;
    return NULL;
}

static void close_keeping_errno(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
}

// Calls connect(2). If a signal interrupts it, the kernel goes on to connect, and a second call would fail with
// EALREADY. So this waits until the kernel has finished.
static int connect_fully(int fd, const struct addrinfo *to)
{
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno != EINTR)
        return -1;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    while (poll(&wait, 1, -1) == -1)
        if (errno != EINTR)
            return -1;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

static int dial_one(struct address *to, const struct addrinfo *one)
{
    int conn = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn == -1) {
        add_error(to, "socket for", one);
    } else if (connect_fully(conn, one) == -1) {
        add_error(to, "connect to", one);
        close_keeping_errno(conn);
        conn = -1;
    }
    return conn;
}

int dial(struct address *to)
{
    struct addrinfo *list = resolve(to);
    int conn = -1;
    for (struct addrinfo *one = list; one != NULL && conn == -1; one = one->ai_next)
        conn = dial_one(to, one);
    int error = errno;
    if (list != NULL)
        freeaddrinfo(list);
    if (conn != -1)
        to->error[0] = '\0';
    errno = error;
    return conn;
}

// Returns a socket that is bound to this one address and listens; or -1, with errno and the words.
static int listen_on_one(struct address *at, const struct addrinfo *one)
{
    int listener = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1) {
        add_error(at, "socket for", one);
        return -1;
    }
    int on = 1; // let a new server have the port while connections of the last one are in TIME-WAIT
    const char *failed = NULL;
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1)
        failed = "setsockopt for";
    else if (bind(listener, one->ai_addr, one->ai_addrlen) == -1)
        failed = "bind to";
    else if (listen(listener, SOMAXCONN) == -1)
        failed = "listen on";
    if (failed == NULL)
        return listener;
    add_error(at, failed, one);
    close_keeping_errno(listener);
    return -1;
}

// Is it worth trying the next address? Only if this machine does not have this one (IPv6 is off). A port in use is an
// error: else a second server on "localhost" could listen beside the first one, on the address of another family.
static bool is_not_ours(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

int listen_on(struct address *at)
{
    struct addrinfo *list = resolve(at);
    int listener = -1;
    for (struct addrinfo *one = list; one != NULL; one = one->ai_next) {
        listener = listen_on_one(at, one);
        if (listener != -1 || !is_not_ours(errno))
            break;
    }
    int error = errno;
    if (list != NULL)
        freeaddrinfo(list);
    if (listener != -1)
        at->error[0] = '\0';
    errno = error;
    return listener;
}

int send_all(int conn, const void *bytes, size_t n)
{
    const char *rest = bytes;
    while (n > 0) {
        ssize_t sent = send(conn, rest, n, MSG_NOSIGNAL);
        if (sent == -1 && errno != EINTR)
            return -1;
        if (sent > 0) {
            rest += sent;
            n -= (size_t)sent;
        }
    }
    return 0;
}
