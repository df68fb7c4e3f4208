// What does a TCP server consist of, with nothing hidden?
// Six calls: socket, bind, listen, accept, then read and write as on a file.
//
// Parent: none. This pair is written without common/, once; from scenario 1 on common/ does the set-up.
// Try: run it in one terminal and talk to it from another one with `nc localhost 8080`.
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(const char *operation)
{
    perror(operation);
    exit(1);
}

int main(int argc, char **argv)
{
    const char *host = argc > 1 ? argv[1] : "localhost";
    const char *port = argc > 2 ? argv[2] : "8080";
    if (argc == 2 && strspn(host, "0123456789") == strlen(host)) { // 8080 as a host would mean the address 0.0.31.144
        fprintf(stderr, "usage: %s [host [port]]   The host comes first: %s localhost %s\n", argv[0], argv[0], host);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); // show each line at once, also through a pipe

    // A name and a number become an address: 127.0.0.1, or ::1 where the system prefers that.
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *address;
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0) {
        fprintf(stderr, "getaddrinfo: %s\n", gai_strerror(error));
        return 1;
    }

    int listener = socket(address->ai_family, SOCK_STREAM, 0);
    if (listener == -1)
        stop("socket");
    int on = 1; // let a new server have the port while the last one's connections are in TIME-WAIT
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1)
        stop("setsockopt");
    if (bind(listener, address->ai_addr, address->ai_addrlen) == -1)
        stop("bind");
    freeaddrinfo(address);

    // From here on the kernel accepts connections, whether we call accept() or not.
    if (listen(listener, SOMAXCONN) == -1)
        stop("listen");
    printf("listening\n");

    int conn = accept(listener, NULL, NULL); // a new socket for this one client
    if (conn == -1)
        stop("accept");
    printf("accepted\n");

    // We read until there is a whole line. One read() may give less than a line, or more.
    char buf[1024];
    size_t have = 0;
    while (have == 0 || buf[have - 1] != '\n') {
        ssize_t n = read(conn, buf + have, sizeof buf - have);
        if (n == -1)
            stop("read");
        if (n == 0) // the client's FIN; or our buffer is full
            break;
        have += (size_t)n;
    }
    printf("Received message: %.*s", (int)have, buf);

    // A write may be cut short as well, when the send queue is full. Here it is empty, and has room for 18 bytes.
    printf("writing response\n");
    if (write(conn, "Message received.\n", 18) == -1)
        stop("write");
    printf("closing\n");
    close(conn); // our FIN leaves here
    close(listener);
}
