// Forks a helper that does nothing but keep the connection, says good bye and closes: the helper still has it.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static void keep_for_a_while(void)
{
    pause_seconds(5);
    event("helper exiting"); // the last descriptor of the connection goes here, and the FIN leaves
}

int main(int argc, char **argv)
{
    signal(SIGCHLD, SIG_IGN); // no helper is left as a zombie
    struct address here = address_from(argc, argv);
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    for (;;) {
        int conn = must(accept(listener, NULL, NULL));
        event_conn(conn, "accepted");
        if (must(fork()) == 0) {
            must(close(listener));
            keep_for_a_while();
            return 0;
        }
        event_sending(conn, 4, "sending \"bye\\n\"");
        must(send_all(conn, "bye\n", 4));
        event("closing");
        must(close(conn)); // no FIN: the helper has the connection
    }
}
