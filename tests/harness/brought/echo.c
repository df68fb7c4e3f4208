// An echo server on the port that its argument names. With a second word it forks away from whoever started it.
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void daemonise(void)
{
    if (fork() != 0)
        _exit(0);
    setsid();
    if (fork() != 0)
        _exit(0);
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(nothing, fd);
    close(nothing);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        daemonise();
    int l = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)atoi(argv[1]))};
    if (bind(l, (struct sockaddr *)&at, sizeof at) < 0 || listen(l, 5) < 0) {
        perror("bind");
        return 1;
    }
    printf("echoing\n"); // never flushed: it is killed in the end
    for (;;) {
        int c = accept(l, NULL, NULL);
        char buf[100];
        ssize_t n;
        while ((n = read(c, buf, sizeof buf)) > 0)
            if (write(c, buf, (size_t)n) != n)
                return 1;
        close(c);
    }
}
