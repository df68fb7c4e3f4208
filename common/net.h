// net.h: from a host and a port to a connected socket, and what every server and client would write again.
//
// SIGPIPE, decided here once: common changes no signal's action. A write(2) to a connection that was reset still kills
// the program, as POSIX says; that is worth meeting (status 141 in a shell). send_all() asks for the error instead,
// with MSG_NOSIGNAL, so a server that answers by send_all() outlives a client that has gone away: it gets -1 and EPIPE.
#ifndef TCPLAB_NET_H
#define TCPLAB_NET_H

#include <stddef.h>

enum { ADDRESS_ERROR_SIZE = 256 };

// Where to listen or to connect, and, after a call with it failed, why: operation, address, errno's name.
struct address {
    const char *host;               // a name or a literal, IPv4 or IPv6: "localhost", "127.0.0.1", "::1"
    const char *port;               // a decimal number; "0" lets the kernel choose (listening only)
    char error[ADDRESS_ERROR_SIZE]; // empty, or words such as "connect to ::1 port 8080: ECONNREFUSED (...)"
};

// The address that a program's arguments name: [host] [port], or localhost and 8080. Stops the program with status 2
// and a usage line if there are more arguments, or the port is no number from 0 to 65535.
struct address address_from(int argc, char **argv);

// A socket connected to the first of the host's addresses that accepts (getaddrinfo(3), connect(2)), in the order that
// getaddrinfo gives; or -1, errno and to->error (for a name that does not resolve, errno is EHOSTUNREACH and the words
// are gai_strerror(3)'s). The socket is close-on-exec. An interrupted connect goes on.
int dial(struct address *to);

// A listening socket bound to the first of the host's addresses that this machine has, with SO_REUSEADDR, a backlog of
// SOMAXCONN, close-on-exec; or -1, errno and at->error. A port in use is an error, even if the host has more addresses.
int listen_on(struct address *at);

// Accepts for ever and runs handler(conn) in a thread of its own for each connection; the handler closes conn. Errors
// of one connection (ECONNABORTED, EINTR, those that accept(2) lists as pending network errors) are skipped. Returns -1
// and errno where it can't go on: listener is no good (EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP; EAGAIN if non-blocking), no
// descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM), or no thread can be started (EAGAIN; that connection
// is closed then). Handlers that are running go on, unless the caller ends the program.
int serve(int listener, void (*handler)(int conn));

// Writes all n bytes to a socket, however many calls it takes (send(2) with MSG_NOSIGNAL). Returns 0, or -1 and errno;
// how much had been written by then can't be known from here. Restarts after EINTR.
int send_all(int conn, const void *bytes, size_t n);

#endif
