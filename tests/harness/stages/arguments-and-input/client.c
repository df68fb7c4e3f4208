// Greets everybody whose name it reads from its standard input: GREETING=hello client HOST PORT "and good bye"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

int main(int argc, char **argv)
{
    const char *greeting = getenv("GREETING");
    if (argc != 4 || greeting == NULL) {
        fprintf(stderr, "usage: GREETING=hello %s host port words <names\n", argv[0]);
        return 2;
    }
    struct address server = address_from(3, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");

    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    char name[64], message[256];
    while (fgets(name, sizeof name, stdin) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        int n = snprintf(message, sizeof message, "%s %s %s\n", greeting, name, argv[3]);
        event_sending(conn, n, "sending %s", quoted(message, (size_t)n));
        must(send_all(conn, message, (size_t)n));
        if (read_line(&in, &line) == 1)
            event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    }
    reader_close(&in);

    event("closing");
    must(close(conn));
}
