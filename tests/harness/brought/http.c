// A tiny HTTP server: one answer to whatever is asked.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[argc - 1]))};
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (struct sockaddr *)&at, sizeof at) < 0 || listen(l, 5) < 0)
        return 1;
    for (;;) {
        char request[4096];
        const char *answer = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n";
        int c = accept(l, NULL, NULL);
        if (read(c, request, sizeof request) > 0 && write(c, answer, strlen(answer)) < 0)
            return 1;
        close(c);
    }
}
