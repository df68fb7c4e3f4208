// net.h: from a host and a port to a connected socket, and what every server and client would write again.
//
// About SIGPIPE: common/ changes no signal's action. A write(2) to a connection that was reset still kills the
// program, as POSIX says (status 141 in a shell), because a learner should meet that. send_all() asks for the error
// instead, with MSG_NOSIGNAL. So a server that answers by send_all() goes on if a client has gone away: it gets -1 and
// EPIPE.
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

// Tries the host's addresses in the order of getaddrinfo(3). Returns a socket that is connected to the first one that
// accepts (connect(2)); or -1, with errno and to->error. (For a name that does not resolve, errno is EHOSTUNREACH and
// the words are those of gai_strerror(3).) The socket is close-on-exec. If a signal interrupts the connect, it goes
// on.
int dial(struct address *to);

// Returns a listening socket, bound to the first of the host's addresses that this machine has, with SO_REUSEADDR and
// a backlog of SOMAXCONN, close-on-exec; or -1, with errno and at->error. A port in use is an error, even if the host
// has more addresses.
int listen_on(struct address *at);

// Accepts for ever and runs handler(conn) in a thread of its own for each connection; the handler closes conn. Errors
// of one connection (ECONNABORTED, EINTR, those that accept(2) lists as pending network errors) are skipped. Returns
// -1 and errno if it can't go on: listener can't accept (EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP; EAGAIN if non-blocking),
// no descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM), or no thread can be started (EAGAIN; then that
// connection is closed). Handlers that are running go on, unless the caller ends the program.
int serve(int listener, void (*handler)(int conn));

// Writes all n bytes to a socket, however many calls it takes (send(2) with MSG_NOSIGNAL). Returns 0; or -1 and errno,
// and then it does not tell how many bytes were written. Restarts after EINTR.
int send_all(int conn, const void *bytes, size_t n);

#endif
