// A client that does something to the lab. The file named like the program with ".act" behind it says what.
//
//     kill-up N SIGNAL        sends a signal to the Nth process above it: 1 started it, 2 is the keeper
//     kill PID SIGNAL         sends a signal
//     forge LINE              a datagram of any text to the conductor; \t is written as @
//     forge-gate KIND         a line with a descriptor that can be no gate: file, listener, full (a stream that takes nothing)
//     leave-main              the first thread ends by pthread_exit, another one goes on
//     litter                  makes children that end at once, for ever, and waits for none
//     memory-files            fills memory that no process has mapped
//     nested-epoll MS         waits in an epoll that waits in an epoll for a timer
//     shm NAME                makes a file in /dev/shm, where none of that name may be, and leaves it
//     ticks                   one line a second, for ever
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"

static struct address server;

static void talk(void)
{
    event("connecting");
    int conn = must_say(dial(&server), server.error);
    event_conn(conn, "connected");
    must(close(conn));
}

static pid_t above(int levels)
{
    pid_t pid = getpid();
    while (levels-- > 0) {
        char path[64], stat[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        int fd = must(open(path, O_RDONLY));
        must(read(fd, stat, sizeof stat - 1));
        must(close(fd));
        sscanf(strrchr(stat, ')') + 1, " %*c %d", &pid);
    }
    return pid;
}

static int conductor(struct sockaddr_un *to, socklen_t *size)
{
    const char *name = getenv("TCPLAB_CONDUCTOR");
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(to->sun_path + 1, name + 1, strlen(name) - 1);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    return must(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static void forge(char *text)
{
    struct sockaddr_un to;
    socklen_t size;
    int sock = conductor(&to, &size);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '@' ? '\t' : *c;
    must(sendto(sock, text, strlen(text), 0, (struct sockaddr *)&to, size));
}

static int no_gate(const char *kind)
{
    if (strcmp(kind, "file") == 0)
        return must(open("/dev/null", O_RDWR));
    if (strcmp(kind, "listener") == 0)
        return must(socket(AF_INET, SOCK_STREAM, 0));
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    char some[4096] = "";
    while (send(pair[0], some, sizeof some, MSG_DONTWAIT) > 0)
        ;
    return pair[0];
}

static void forge_gate(const char *kind)
{
    struct sockaddr_un to;
    socklen_t size;
    int sock = conductor(&to, &size), gate = no_gate(kind);
    char text[200];
    snprintf(text, sizeof text, "1\t%d\t%d\tclient\tpause\t-1\t1\t-\tx.c:1\tforged", (int)getpid(), (int)getpid());
    struct iovec part = {text, strlen(text)};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } extra = {0};
    struct msghdr message = {&to, size, &part, 1, extra.room, sizeof extra.room, 0};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof gate), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &gate, sizeof gate);
    must(sendmsg(sock, &message, 0));
}

static void *talk_later(void *first)
{
    pthread_join(*(pthread_t *)first, NULL);
    talk();
    exit(0);
}

static void leave_main(void)
{
    static pthread_t first;
    pthread_t other;
    first = pthread_self();
    pthread_create(&other, NULL, talk_later, &first);
    pthread_exit(NULL);
}

static void memory_files(void)
{
    char *some = calloc(1, 1 << 20);
    for (int n = 0; n < 400; n++) {
        int fd = must(memfd_create("room", 0));
        for (int i = 0; i < 60; i++)
            must(write(fd, some, 1 << 20));
    }
}

static void nested_epoll(int ms)
{
    int inner = must(epoll_create1(0)), outer = must(epoll_create1(0)),
        timer = must(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000}};
    struct epoll_event event = {.events = EPOLLIN};
    must(timerfd_settime(timer, 0, &when, NULL));
    must(epoll_ctl(inner, EPOLL_CTL_ADD, timer, &event));
    must(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
    must(epoll_wait(outer, &event, 1, -1));
}

int main(int argc, char **argv)
{
    char path[4096], act[1000] = "";
    server = address_from(argc, argv);
    snprintf(path, sizeof path, "%s.act", argv[0]);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(act, sizeof act, file) == NULL)
        return 2;
    fclose(file);
    char *what = strtok(act, " \n"), *rest = strtok(NULL, "\n");
    if (strcmp(what, "kill-up") == 0) {
        int levels = 0, number = 0;
        sscanf(rest, "%d %d", &levels, &number);
        must(kill(above(levels), number));
    } else if (strcmp(what, "kill") == 0) {
        int pid = 0, number = 0;
        sscanf(rest, "%d %d", &pid, &number);
        kill(pid, number); // EPERM or ESRCH are fine
    } else if (strcmp(what, "forge") == 0)
        forge(rest);
    else if (strcmp(what, "forge-gate") == 0)
        forge_gate(rest);
    else if (strcmp(what, "leave-main") == 0)
        leave_main();
    else if (strcmp(what, "litter") == 0)
        for (;;) {
            if (fork() == 0)
                _exit(0);
        }
    else if (strcmp(what, "memory-files") == 0)
        memory_files();
    else if (strcmp(what, "nested-epoll") == 0)
        nested_epoll(atoi(rest));
    else if (strcmp(what, "shm") == 0)
        must(shm_open(rest, O_CREAT | O_EXCL | O_RDWR, 0600));
    else if (strcmp(what, "ticks") == 0)
        for (;;) {
            event("tick");
            sleep(1);
        }
    talk();
}
