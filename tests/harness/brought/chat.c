// A chat server of the kind that textbooks have: one select loop, the port built in.
#include <netinet/in.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(6667), .sin_addr.s_addr = htonl(INADDR_ANY)};
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (struct sockaddr *)&at, sizeof at) < 0 || listen(l, 5) < 0) {
        perror("bind");
        return 1;
    }
    fd_set all;
    FD_ZERO(&all);
    FD_SET(l, &all);
    int most = l;
    for (;;) {
        fd_set ready = all;
        select(most + 1, &ready, NULL, NULL, NULL);
        for (int i = 0; i <= most; i++) {
            if (!FD_ISSET(i, &ready))
                continue;
            char buf[256];
            if (i == l) {
                int c = accept(l, NULL, NULL);
                FD_SET(c, &all);
                most = c > most ? c : most;
                printf("joined\n");
                continue;
            }
            ssize_t n = recv(i, buf, sizeof buf, 0);
            if (n <= 0) {
                close(i);
                FD_CLR(i, &all);
                continue;
            }
            for (int j = 0; j <= most; j++)
                if (j != l && j != i && FD_ISSET(j, &all))
                    send(j, buf, (size_t)n, 0);
        }
    }
}
