// A chat client: select on the keyboard and the connection.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

int main(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(6667), .sin_addr.s_addr = inet_addr("127.0.0.1")};
    if (connect(s, (struct sockaddr *)&to, sizeof to) < 0) {
        perror("connect");
        return 1;
    }
    for (;;) {
        char buf[256];
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(0, &ready);
        FD_SET(s, &ready);
        select(s + 1, &ready, NULL, NULL, NULL);
        if (FD_ISSET(0, &ready)) {
            if (fgets(buf, sizeof buf, stdin) == NULL)
                return 0;
            send(s, buf, strlen(buf), 0);
        }
        if (FD_ISSET(s, &ready)) {
            ssize_t n = recv(s, buf, sizeof buf, 0);
            if (n <= 0)
                return 0;
            fwrite(buf, 1, (size_t)n, stdout);
        }
    }
}
