#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int start(void)
{
    struct sockaddr_in at;
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_port = htons(5000);
    at.sin_addr.s_addr = htonl(INADDR_ANY);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&at, sizeof at) < 0 || listen(s, 5) < 0) {
        perror("bind/listen");
        exit(1);
    }
    return s;
}

int main(void)
{
    int l = start();
    static char file[20000000];
    for (;;) {
        int c = accept(l, NULL, NULL);
        fcntl(c, F_SETFL, O_NONBLOCK);
        send(c, file, sizeof file, 0);
        printf("file of %zu bytes sent\n", sizeof file);
        close(c);
    }
}
