// What does a TCP client consist of, with nothing hidden?
// Two calls: socket, connect; then write and read as on a file.
//
// Parent: none. This pair is written without common/, once; from scenario 1 on common/ does the set-up.
// Try: start it without a server. Which call fails, and what does the kernel know that makes it fail at once?
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

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0) {
        fprintf(stderr, "getaddrinfo: %s\n", gai_strerror(error));
        return 1;
    }

    // A name may have several addresses, and the server listens on one of them: try each.
    printf("connecting\n");
    int conn = -1;
    for (struct addrinfo *a = list; a != NULL && conn == -1; a = a->ai_next) {
        conn = socket(a->ai_family, SOCK_STREAM, 0);
        if (conn == -1)
            stop("socket");
        if (connect(conn, a->ai_addr, a->ai_addrlen) == -1) { // three segments: SYN, SYN and ACK, ACK
            perror("connect");
            close(conn);
            conn = -1;
        }
    }
    freeaddrinfo(list);
    if (conn == -1)
        return 1;
    printf("connected\n");

    printf("sending message\n");
    if (write(conn, "This is a message\n", 18) == -1) // our kernel's send queue has the bytes now; no more is promised
        stop("write");

    // Until EOF, in pieces of whatever size: a stream has no messages.
    char buf[1024];
    ssize_t n;
    while ((n = read(conn, buf, sizeof buf)) > 0)
        printf("Received message: %.*s", (int)n, buf);
    if (n == -1)
        stop("read");
    printf("EOF\n"); // the server's FIN
    close(conn);
}
