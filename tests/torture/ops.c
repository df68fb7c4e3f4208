// A program of random operations: one a line, from the file named like the program with ".ops" behind it. proofs.py writes them.
//
// An operation has a name and up to four numbers. Descriptors stand in slots, 0 to 15; slot 0 is the listener, slot 1 the first connection.
// Whatever fails is passed over. A limit of -1 ms is none. `thread` and `fork` take what stands up to their `end` for themselves.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "event.h"

#define SLOTS 16

static char *lines[200];
static int count;
static struct sockaddr_in server = {.sin_family = AF_INET};
static int fds[SLOTS];
static pthread_t threads[32];
static int started;
static pid_t parent; // of a fork
static char bytes[1 << 20];
static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct shared {
    int words[4];
    sem_t semaphore;
} * shared; // with the children

static struct timespec span(int ms)
{
    return (struct timespec){ms / 1000, ms % 1000 * 1000000L};
}

static struct timespec until(clockid_t clock, int ms)
{
    struct timespec now;
    clock_gettime(clock, &now);
    long ns = now.tv_nsec + ms % 1000 * 1000000L;
    return (struct timespec){now.tv_sec + ms / 1000 + ns / 1000000000, ns % 1000000000};
}

static struct itimerspec timer(int ms, int again)
{
    return (struct itimerspec){.it_value = span(ms), .it_interval = span(again)};
}

static void put(int slot, int fd)
{
    if (fd < 0)
        return;
    if (fds[slot] >= 0)
        close(fds[slot]);
    fds[slot] = fd;
}

static void on_signal(int number)
{
    (void)number;
}

static void on_signal_write(int number)
{
    (void)number;
    (void)!write(fds[1], "!", 1);
}

static void on_timer(union sigval value)
{
    (void)value;
    (void)!write(fds[1], "?", 1);
}

// --- operations ----------------------------------------------------------------------------------------------------------------

struct args {
    int a, b, c, d;
};

static void op_listen(struct args n)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (n.b > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n.b, sizeof n.b);
    if (n.c > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &n.c, sizeof n.c);
    if (bind(fd, (struct sockaddr *)&server, sizeof server) == 0 && listen(fd, n.a) == 0)
        put(0, fd);
}

static void op_accept(struct args n)
{
    put(n.a, accept(fds[0], NULL, NULL));
}

static void op_connect(struct args n)
{
    int fd = socket(AF_INET, SOCK_STREAM | (n.c ? SOCK_NONBLOCK : 0), 0);
    if (n.b > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n.b, sizeof n.b);
    connect(fd, (struct sockaddr *)&server, sizeof server);
    put(n.a, fd);
}

static void op_read(struct args n)
{
    (void)!read(fds[n.a], bytes, (size_t)n.b);
}

static void op_readall(struct args n)
{
    ssize_t got;
    for (int all = 0; all < n.b && (got = read(fds[n.a], bytes, (size_t)(n.b - all))) > 0; all += (int)got)
        ;
}

static void op_recv(struct args n)
{
    (void)!recv(fds[n.a], bytes, (size_t)n.b, n.c);
}

static void op_readv(struct args n)
{
    struct iovec parts[2] = {{bytes, (size_t)n.b}, {bytes + n.b, (size_t)n.b}};
    if (n.c)
        (void)!recvmsg(fds[n.a], &(struct msghdr){.msg_iov = parts, .msg_iovlen = 2}, 0);
    else
        (void)!readv(fds[n.a], parts, 2);
}

static void op_write(struct args n)
{
    (void)!write(fds[n.a], bytes, (size_t)n.b);
}

static void op_send(struct args n)
{
    (void)!send(fds[n.a], bytes, (size_t)n.b, n.c | MSG_NOSIGNAL);
}

static void op_close(struct args n)
{
    if (fds[n.a] >= 0)
        close(fds[n.a]);
    fds[n.a] = -1;
}

static void op_shutdown(struct args n)
{
    shutdown(fds[n.a], n.b);
}

static void op_dup(struct args n)
{
    put(n.b, dup(fds[n.a]));
}

static void op_nonblock(struct args n)
{
    fcntl(fds[n.a], F_SETFL, O_NONBLOCK);
}

static void op_poll(struct args n) // slot, events, ms, another slot
{
    struct pollfd both[2] = {{fds[n.a], (short)n.b, 0}, {n.d >= 0 ? fds[n.d] : -1, POLLIN, 0}};
    poll(both, 2, n.c);
}

static void op_ppoll(struct args n)
{
    struct pollfd one = {fds[n.a], (short)n.b, 0};
    ppoll(&one, 1, n.c < 0 ? NULL : &(struct timespec){n.c / 1000, n.c % 1000 * 1000000L}, NULL);
}

static void op_select(struct args n)
{
    fd_set set;
    FD_ZERO(&set);
    if (fds[n.a] < 0)
        return;
    FD_SET(fds[n.a], &set);
    struct timeval limit = {n.c / 1000, n.c % 1000 * 1000};
    select(fds[n.a] + 1, n.b ? NULL : &set, n.b ? &set : NULL, NULL, n.c < 0 ? NULL : &limit);
}

enum { NESTED = 1, CLOSED = 2, TWICE = 4, TAKEN = 16 };

static void op_epoll(struct args n) // slot, events, ms, how
{
    int inner = epoll_create1(0), outer = inner, copy = -1;
    struct epoll_event want = {.events = (uint32_t)n.b};
    epoll_ctl(inner, EPOLL_CTL_ADD, fds[n.a], &want);
    if (n.d & NESTED) {
        outer = epoll_create1(0);
        want.events = EPOLLIN;
        epoll_ctl(outer, EPOLL_CTL_ADD, inner, &want);
    }
    if (n.d & CLOSED) { // the epoll keeps what it was told of, under a number that is no descriptor any more
        copy = dup(fds[n.a]);
        close(fds[n.a]);
        fds[n.a] = copy;
        if (n.d & TAKEN) // and now by something else
            (void)!socket(AF_UNIX, SOCK_STREAM, 0);
    }
    for (int i = 0; i < (n.d & TWICE ? 2 : 1); i++)
        epoll_wait(outer, &want, 1, n.c);
    close(inner);
    if (outer != inner)
        close(outer);
}

static void op_limit(struct args n) // slot, option, ms
{
    struct timeval limit = {n.c / 1000, n.c % 1000 * 1000};
    setsockopt(fds[n.a], SOL_SOCKET, n.b, &limit, sizeof limit);
}

static void op_option(struct args n) // slot, level, option, value
{
    setsockopt(fds[n.a], n.b, n.c, &n.d, sizeof n.d);
}

static void op_linger(struct args n)
{
    setsockopt(fds[n.a], SOL_SOCKET, SO_LINGER, &(struct linger){1, n.b}, sizeof(struct linger));
}

static void op_timerfd(struct args n) // slot, ms, again
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec when = timer(n.b, n.c);
    timerfd_settime(fd, 0, &when, NULL);
    put(n.a, fd);
}

static void op_eventfd(struct args n)
{
    put(n.a, eventfd(0, 0));
}

static void op_pipe(struct args n)
{
    int ends[2];
    if (pipe(ends) == 0) {
        put(n.a, ends[0]);
        put(n.b, ends[1]);
    }
}

static void op_pair(struct args n)
{
    int ends[2];
    if (socketpair(AF_UNIX, n.c, 0, ends) == 0) {
        put(n.a, ends[0]);
        put(n.b, ends[1]);
    }
}

static void op_udp(struct args n) // two sockets that talk to each other
{
    struct sockaddr_in own[2];
    int pair[2];
    for (int i = 0; i < 2; i++) {
        own[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        pair[i] = socket(AF_INET, SOCK_DGRAM, 0);
        bind(pair[i], (struct sockaddr *)&own[i], sizeof own[i]);
        getsockname(pair[i], (struct sockaddr *)&own[i], &(socklen_t){sizeof own[i]});
    }
    for (int i = 0; i < 2; i++)
        connect(pair[i], (struct sockaddr *)&own[1 - i], sizeof own[0]);
    put(n.a, pair[0]);
    put(n.b, pair[1]);
}

static void op_handler(struct args n) // signal, writes, restarts
{
    sigaction(n.a,
              &(struct sigaction){.sa_handler = n.b ? on_signal_write : on_signal, .sa_flags = n.c ? SA_RESTART : 0},
              NULL);
}

static void op_alarm(struct args n)
{
    alarm((unsigned)n.a);
}

static void op_itimer(struct args n)
{
    setitimer(ITIMER_REAL, &(struct itimerval){{n.b / 1000, n.b % 1000 * 1000}, {n.a / 1000, n.a % 1000 * 1000}}, NULL);
}

static void op_ptimer(struct args n) // ms, again, kind, absolute
{
    timer_t made;
    struct sigevent how = {.sigev_notify = n.c == 1 ? SIGEV_THREAD : SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    if (n.c == 1)
        how.sigev_notify_function = on_timer;
    clockid_t clock = n.c == 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    if (timer_create(clock, &how, &made) != 0)
        return;
    struct itimerspec when = timer(n.a, n.b);
    if (n.d)
        when.it_value = until(clock, n.a);
    timer_settime(made, n.d ? TIMER_ABSTIME : 0, &when, NULL);
}

static void op_sleep(struct args n) // ms, kind
{
    struct timespec limit = n.b == 1 ? until(CLOCK_MONOTONIC, n.a) : span(n.a);
    if (n.b == 0)
        nanosleep(&limit, NULL);
    else if (n.b == 1)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &limit, NULL);
    else if (n.b == 2)
        poll(NULL, 0, n.a);
    else
        select(0, NULL, NULL, NULL, &(struct timeval){n.a / 1000, n.a % 1000 * 1000});
}

static void op_pause(struct args n)
{
    (void)n;
    pause();
}

static void op_sigwait(struct args n) // signal, ms
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, n.a);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct timespec limit = span(n.b);
    sigtimedwait(&set, NULL, n.b < 0 ? NULL : &limit);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void op_kill(struct args n) // 0: itself; else its parent, if that is a fork of the same program and lives
{
    pid_t above = getppid();
    kill(n.a == 0 || above != parent ? getpid() : above, n.b);
}

static void op_futex(struct args n) // word, ms, absolute
{
    struct timespec limit = n.c ? until(CLOCK_MONOTONIC, n.b) : span(n.b);
    syscall(SYS_futex, &shared->words[n.a], n.c ? FUTEX_WAIT_BITSET : FUTEX_WAIT, 0, n.b < 0 ? NULL : &limit, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

static void op_wake(struct args n)
{
    syscall(SYS_futex, &shared->words[n.a], FUTEX_WAKE, 100, NULL, NULL, 0);
}

static void op_lock(struct args n)
{
    pthread_mutex_lock(&locks[n.a]);
}

static void op_unlock(struct args n)
{
    pthread_mutex_unlock(&locks[n.a]);
}

static void op_condition(struct args n)
{
    struct timespec limit = until(CLOCK_REALTIME, n.b);
    pthread_mutex_lock(&locks[n.a]);
    if (n.b < 0)
        pthread_cond_wait(&changed, &locks[n.a]);
    else
        pthread_cond_timedwait(&changed, &locks[n.a], &limit);
    pthread_mutex_unlock(&locks[n.a]);
}

static void op_signal(struct args n)
{
    (void)n;
    pthread_cond_broadcast(&changed);
}

static void op_semaphore(struct args n)
{
    struct timespec limit = until(CLOCK_REALTIME, n.a);
    if (n.a < 0)
        sem_wait(&shared->semaphore);
    else
        sem_timedwait(&shared->semaphore, &limit);
}

static void op_post(struct args n)
{
    (void)n;
    sem_post(&shared->semaphore);
}

static void op_join(struct args n)
{
    (void)n;
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

static void op_wait(struct args n)
{
    waitpid(-1, NULL, n.a ? WNOHANG : 0);
}

static void op_exit(struct args n)
{
    exit(n.a);
}

static void op_leave(struct args n)
{
    (void)n;
    pthread_exit(NULL);
}

static void op_setsid(struct args n)
{
    (void)n;
    setsid();
}

static void op_event(struct args n)
{
    event("line %d", n.a);
}

static void op_rest(struct args n)
{
    pause_seconds((unsigned)n.a);
}

static const struct {
    const char *name;
    void (*go)(struct args);
} OPS[] = {
    {"listen", op_listen},     {"accept", op_accept},       {"connect", op_connect},   {"read", op_read},
    {"readall", op_readall},   {"recv", op_recv},           {"readv", op_readv},       {"write", op_write},
    {"send", op_send},         {"close", op_close},         {"shutdown", op_shutdown}, {"dup", op_dup},
    {"nonblock", op_nonblock}, {"poll", op_poll},           {"ppoll", op_ppoll},       {"select", op_select},
    {"epoll", op_epoll},       {"limit", op_limit},         {"option", op_option},     {"linger", op_linger},
    {"timerfd", op_timerfd},   {"eventfd", op_eventfd},     {"pipe", op_pipe},         {"pair", op_pair},
    {"udp", op_udp},           {"handler", op_handler},     {"alarm", op_alarm},       {"itimer", op_itimer},
    {"ptimer", op_ptimer},     {"sleep", op_sleep},         {"pause", op_pause},       {"sigwait", op_sigwait},
    {"kill", op_kill},         {"futex", op_futex},         {"wake", op_wake},         {"lock", op_lock},
    {"unlock", op_unlock},     {"condition", op_condition}, {"signal", op_signal},     {"semaphore", op_semaphore},
    {"post", op_post},         {"join", op_join},           {"wait", op_wait},         {"exit", op_exit},
    {"leave", op_leave},       {"setsid", op_setsid},       {"event", op_event},       {"rest", op_rest},
};

static int after_end(int at)
{
    for (int depth = 0;; at++) {
        if (strcmp(lines[at], "fork") == 0 || strcmp(lines[at], "thread") == 0)
            depth++;
        else if (strcmp(lines[at], "end") == 0 && --depth == 0)
            return at + 1;
    }
}

static void act(int at);

static void *threaded(void *from)
{
    act((int)(intptr_t)from);
    return NULL;
}

static void act(int at)
{
    while (at < count && strcmp(lines[at], "end") != 0) {
        char name[32] = "";
        struct args n = {0, 0, 0, 0};
        sscanf(lines[at], "%31s %d %d %d %d", name, &n.a, &n.b, &n.c, &n.d);
        if (strcmp(name, "fork") == 0) {
            pid_t self = getpid();
            if (fork() == 0) {
                parent = self;
                act(at + 1);
                _exit(0);
            }
            at = after_end(at);
            continue;
        }
        if (strcmp(name, "thread") == 0) {
            pthread_create(&threads[started++], NULL, threaded, (void *)(intptr_t)(at + 1));
            at = after_end(at);
            continue;
        }
        size_t which = 0;
        while (which < sizeof OPS / sizeof OPS[0] && strcmp(OPS[which].name, name) != 0)
            which++;
        if (which == sizeof OPS / sizeof OPS[0]) {
            fprintf(stderr, "no such operation: %s\n", lines[at]);
            exit(2);
        }
        OPS[which].go(n);
        at++;
    }
}

int main(int argc, char **argv)
{
    char path[4096];
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)(argc > 2 ? atoi(argv[2]) : 8080));
    memset(fds, -1, sizeof fds);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(&shared->semaphore, 1, 0);
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "%s.ops", argv[0]);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 2;
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0 && count < 200) {
        line[strcspn(line, "\n")] = '\0';
        lines[count++] = strdup(line);
    }
    free(line);
    fclose(file);
    act(0);
}
