// Logs lines for the tests to look at. Usage: event_check WHAT ...
//     lines N             N lines
//     threads T N         N lines in each of T threads: "T I"
//     forks P N           the same in P forked children, after a first line of the parent, "parent"
//     fork-held fork|exec a thread pauses for 0 s, and prints "gone on" behind it; at a byte of standard input the program
//                         forks a child, which prints its process id and waits for the end of that input, or executes
//                         a shell to do so
//     kinds HOST          a line of each kind, with real sockets on HOST; prints their descriptors and ports
//     descriptors         prints the number of the first descriptor that is opened after a line
//     close-all           a line, closes 3 to 1023, a line
//     starved             a pause of 0 s while no descriptor is left
//     errno               a line between setting errno and printing its name
//     texts               too long, and with control characters
//     pause N             a pause of N seconds under a signal every 5 ms; prints the nanoseconds and the signals
//     must                a call that fails
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

struct share {
    int number, lines;
};

static void *log_share(void *argument)
{
    const struct share *share = argument;
    for (int i = 0; i < share->lines; i++)
        event("%d %d", share->number, i);
    return NULL;
}

static int threads(int count, int lines)
{
    pthread_t *ids = calloc((size_t)count, sizeof *ids);
    struct share *shares = calloc((size_t)count, sizeof *shares);
    for (int i = 0; i < count; i++) {
        shares[i] = (struct share){i, lines};
        pthread_create(&ids[i], NULL, log_share, &shares[i]);
    }
    for (int i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    free(shares);
    return 0;
}

static int forks(int count, int lines)
{
    event("parent");
    for (int i = 0; i < count; i++)
        if (must(fork()) == 0) {
            log_share(&(struct share){i, lines});
            _exit(0);
        }
    while (wait(NULL) != -1)
        ;
    return 0;
}

static void *pause_once(void *unused)
{
    pause_seconds(0);
    puts("gone on");
    return unused;
}

static int fork_held(const char *then)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, pause_once, NULL);
    char byte;
    while (must(read(STDIN_FILENO, &byte, 1)) == 1) {
        if (must(fork()) > 0)
            continue;
        if (strcmp(then, "exec") == 0)
            must(execlp("sh", "sh", "-c", "echo $$; exec cat", (char *)NULL));
        printf("%d\n", (int)getpid());
        must(read(STDIN_FILENO, &byte, 1));
        _exit(0);
    }
    pthread_join(thread, NULL);
    while (wait(NULL) != -1)
        ;
    return 0;
}

static int port_of(int fd)
{
    struct sockaddr_in6 address; // the port stands at the same place in both families
    socklen_t size = sizeof address;
    must(getsockname(fd, (struct sockaddr *)&address, &size));
    return ntohs(address.sin6_port);
}

static int kinds(const char *host)
{
    struct address here = {.host = host, .port = "0"};
    int listener = must_say(listen_on(&here), here.error);
    event_listening(listener, "listening");
    char port[8];
    snprintf(port, sizeof port, "%d", port_of(listener));
    here.port = port;
    int conn = must_say(dial(&here), here.error);
    event_conn(conn, "connected");
    event_sending(conn, 18, "sending %s", "x");
    event_received(conn, 1LL << 40, "received");
    event("a\tnote");
    pause_seconds(0);
    event_conn(-1, "no socket");
    printf("%d %d %s %d\n", listener, conn, port, port_of(conn));
    return 0;
}

static int close_all(void)
{
    event("before");
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    event("after");
    event("again");
    return 0;
}

static int starved(void)
{
    event("before");
    must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3}));
    pause_seconds(0);
    return 0;
}

static int keep_errno(void)
{
    errno = EPIPE;
    event("it says %s", errno_name(errno));
    int after_event = errno;
    pause_seconds(0);
    printf("%s %s\n", errno_name(after_event), errno_name(errno));
    return 0;
}

static int texts(void)
{
    char longest[EVENT_TEXT_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[EVENT_TEXT_MAX + 1] = '\0';
    event("%s", longest + 1);
    event("%s", longest);
    event("one\ntwo\x7f\x1b[31m\xc3\xa9");
    return 0;
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

static int pause_interrupted(unsigned seconds)
{
    struct sigaction action = {.sa_handler = on_signal}; // without SA_RESTART
    must(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {{0, 5000}, {0, 5000}};
    must(setitimer(ITIMER_REAL, &often, NULL));
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pause_seconds(seconds);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%lld %d\n", (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec, signals);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int first = argc > 2 ? atoi(argv[2]) : 0, second = argc > 3 ? atoi(argv[3]) : 0;
    if (strcmp(what, "lines") == 0)
        return log_share(&(struct share){0, first}) != NULL;
    if (strcmp(what, "threads") == 0)
        return threads(first, second);
    if (strcmp(what, "forks") == 0)
        return forks(first, second);
    if (strcmp(what, "fork-held") == 0 && argc > 2)
        return fork_held(argv[2]);
    if (strcmp(what, "kinds") == 0 && argc > 2)
        return kinds(argv[2]);
    if (strcmp(what, "descriptors") == 0) {
        event("before");
        printf("%d\n", (int)must(open("/dev/null", O_RDONLY)));
        return 0;
    }
    if (strcmp(what, "close-all") == 0)
        return close_all();
    if (strcmp(what, "starved") == 0)
        return starved();
    if (strcmp(what, "errno") == 0)
        return keep_errno();
    if (strcmp(what, "texts") == 0)
        return texts();
    if (strcmp(what, "pause") == 0)
        return pause_interrupted((unsigned)first);
    if (strcmp(what, "must") == 0)
        must(close(-1));
    return 2;
}
