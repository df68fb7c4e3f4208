// Connects once; a refusal is an answer, too.
#include <errno.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

int main(int argc, char **argv)
{
    struct address server = address_from(argc, argv);
    event("connecting");
    int conn = dial(&server);
    if (conn == -1) {
        event("Error connecting: %s", errno_name(errno));
        return 0;
    }
    event_conn(conn, "connected");
    event("closing");
    must(close(conn));
}
