// Tells which port the kernel gave it.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static int own_port(int conn)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    must(getsockname(conn, (struct sockaddr *)&own, &size));
    // The port stands at the same place for both families (RFC 3493, 3.10).
    return ntohs(((struct sockaddr_in *)&own)->sin_port);
}

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected from port %d", own_port(conn));
    event("closing");
    must(close(conn));
}
