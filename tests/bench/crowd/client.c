// 25 threads, two connections each: all are open before the first message is sent.
#include <pthread.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

enum { THREADS = 25, EACH = 2 };

static struct address server;
static pthread_barrier_t open_all;

static void *talk(void *unused)
{
    (void)unused;
    int conns[EACH];
    char buf[64];
    for (int i = 0; i < EACH; i++) {
        struct address to = server;
        conns[i] = must_say(dial(&to), to.error);
        event_conn(conns[i], "connected");
    }
    pthread_barrier_wait(&open_all);
    for (int i = 0; i < EACH; i++) {
        event_sending(conns[i], 5, "sending 5 bytes");
        must(send_all(conns[i], "hello", 5));
        ssize_t got = must(read(conns[i], buf, sizeof buf));
        event_received(conns[i], got, "received %zd bytes", got);
        must(close(conns[i]));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    server = address_from(argc, argv);
    pthread_barrier_init(&open_all, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, talk, NULL) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
