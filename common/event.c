// event.c: one log line, one system call.
//
// A line is put together in a buffer on the caller's stack and leaves by one write(2), or by one sendmsg(2) to the
// conductor. No lock is taken, so threads never wait for each other here, and a forked child finds nothing locked. (A
// line that names a socket asks the kernel for its addresses first; a held line makes and reads a socket pair.)
//
// The one confession: this file has static state, since event("...") has no place for a handle. It is what the
// environment said (read once), when the program began, its process id, each thread's id, and the conductor's
// descriptor. That one has a high number, so that a program's own descriptors are the usual 3, 4, ...; a program that
// closes everything it did not open closes it too, and the next line opens it again. (Were its number in use for
// another socket by then, the line would go there. No program of this lab has so many descriptors.)
#define _GNU_SOURCE
#include "event.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = EVENT_TEXT_MAX + 1024, ROLE_SIZE = 64, ENDPOINT_SIZE = 80, ADDRESS_SIZE = 2 * ENDPOINT_SIZE };
enum { USUAL_DESCRIPTORS = 500 }; // where ours begin, if RLIMIT_NOFILE allows
enum hold { HOLD_NONE, HOLD_PAUSES, HOLD_ALL };

static const long long ns_per_second = 1000000000;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
    bool off;
    enum hold hold;
    char role[ROLE_SIZE];
    long long began; // nanoseconds
    pid_t pid;
    struct sockaddr_un conductor;
    socklen_t conductor_size; // 0: no conductor
} lab;
static atomic_int conductor_fd = -1;
static _Thread_local pid_t thread_id; // 0: not asked yet

// A line under construction. What does not fit would be left out; but LINE_SIZE is enough, and NAME_MAX bytes to spare.
struct line {
    char bytes[LINE_SIZE];
    size_t n;
};

static void put(struct line *line, const char *text, size_t n)
{
    size_t room = sizeof line->bytes - line->n;
    if (n > room)
        n = room;
    memcpy(line->bytes + line->n, text, n);
    line->n += n;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

// In decimal, filled up with fill on the left to at least width characters. (Several times as fast as printf.)
static void put_number(struct line *line, long long number, int width, char fill)
{
    char digits[24];
    char *first = digits + sizeof digits;
    unsigned long long rest = number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    do
        *--first = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        *--first = '-';
    while (digits + sizeof digits - first < width)
        *--first = fill;
    put(line, first, (size_t)(digits + sizeof digits - first));
}

static void put_field(struct line *line, long long number)
{
    put_number(line, number, 0, ' ');
    put(line, "\t", 1);
}

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * ns_per_second + t.tv_nsec;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// A line is a line: whatever would end it, or move the cursor, becomes a '?'.
static void make_printable(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

// As printf, cut at EVENT_TEXT_MAX bytes.
static void put_formatted(struct line *line, const char *format, va_list arguments)
{
    char *text = line->bytes + line->n;
    size_t room = sizeof line->bytes - line->n;
    size_t max = room > EVENT_TEXT_MAX ? EVENT_TEXT_MAX : room - 1;
    int written = vsnprintf(text, max + 1, format, arguments);
    size_t n = written < 0 ? 0 : (size_t)written;
    if (n > max) {
        n = max;
        memcpy(text + n - 3, "...", 3);
    }
    make_printable(text, n);
    line->n += n;
}

// The same descriptor under a number that is at least floor; where the system refuses, as it was.
static int moved_up(int fd, int floor)
{
    if (fd == -1)
        return -1;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, floor);
    if (high == -1)
        return fd;
    close(fd);
    return high;
}

static int high_floor(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= 2 * USUAL_DESCRIPTORS)
        return USUAL_DESCRIPTORS;
    return (int)limit.rlim_cur / 2;
}

// Connects to the conductor in place of the descriptor bad. Two threads may do so at once: one of the two stays unused.
static int open_conductor(int bad)
{
    int fd = moved_up(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), high_floor());
    if (fd != -1 && connect(fd, (struct sockaddr *)&lab.conductor, lab.conductor_size) == -1) {
        close(fd);
        fd = -1;
    }
    atomic_compare_exchange_strong(&conductor_fd, &bad, fd);
    return fd;
}

static void after_fork_in_child(void)
{
    thread_id = 0;
    lab.pid = getpid();
}

// Takes over the address that name means: "@x" is the abstract name "\0x", anything else a path.
static void set_conductor(const char *name)
{
    size_t n = name != NULL ? strlen(name) : 0;
    if (n == 0 || n >= sizeof lab.conductor.sun_path)
        return;
    lab.conductor.sun_family = AF_UNIX;
    memcpy(lab.conductor.sun_path, name, n);
    bool is_abstract = name[0] == '@';
    if (is_abstract)
        lab.conductor.sun_path[0] = '\0';
    lab.conductor_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (is_abstract ? 0 : 1));
}

static bool environment_says(const char *name, const char *value)
{
    const char *found = getenv(name);
    return found != NULL && strcmp(found, value) == 0;
}

static void begin(void)
{
    lab.began = now();
    lab.pid = getpid();
    lab.off = environment_says("TCPLAB_EVENTS", "off");

    const char *role = getenv("TCPLAB_ROLE");
    if (role == NULL || role[0] == '\0')
        role = program_invocation_short_name;
    strncpy(lab.role, role, sizeof lab.role - 1);
    make_printable(lab.role, strlen(lab.role));

    set_conductor(getenv("TCPLAB_CONDUCTOR"));
    if (lab.conductor_size > 0 && !lab.off) {
        if (environment_says("TCPLAB_HOLD", "all"))
            lab.hold = HOLD_ALL;
        else if (environment_says("TCPLAB_HOLD", "pauses"))
            lab.hold = HOLD_PAUSES;
        open_conductor(-1);
    }
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

// "127.0.0.1:8080" or "[::1]:8080"; "-" where there is no such address.
static void format_endpoint(char *text, int failed, const struct sockaddr_storage *address, socklen_t size)
{
    char host[ENDPOINT_SIZE - 16], port[8];
    strcpy(text, "-");
    if (failed != 0 || (address->ss_family != AF_INET && address->ss_family != AF_INET6))
        return;
    if (getnameinfo((const struct sockaddr *)address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    const char *format = address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s";
    snprintf(text, ENDPOINT_SIZE, format, host, port);
}

// Own address, and for a connection the separator and the peer's.
static void format_address(char *text, enum event_kind kind, int fd, const char *separator)
{
    int saved = errno; // for a %m in the text that follows
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char own[ENDPOINT_SIZE], peer[ENDPOINT_SIZE] = "";
    format_endpoint(own, getsockname(fd, (struct sockaddr *)&address, &size), &address, size);
    if (kind == EVENT_CONN) {
        size = sizeof address;
        format_endpoint(peer, getpeername(fd, (struct sockaddr *)&address, &size), &address, size);
    }
    bool has_peer = kind == EVENT_CONN && strcmp(own, "-") != 0;
    snprintf(text, ADDRESS_SIZE, "%s%s%s", own, has_peer ? separator : "", has_peer ? peer : "");
    errno = saved;
}

// What a line says, and where it stands in the program.
struct entry {
    const char *file;
    int line;
    enum event_kind kind;
    int fd;
    long long count;
    const char *format;
};

static bool has_address(const struct entry *entry)
{
    return entry->kind == EVENT_LISTEN || entry->kind == EVENT_CONN;
}

static void compose_for_people(struct line *line, const struct entry *entry, va_list arguments)
{
    long long ms = (now() - lab.began) / 1000000;
    put_number(line, ms / 1000, 4, ' ');
    put(line, ".", 1);
    put_number(line, ms % 1000, 3, '0');
    put(line, " ", 1);
    put_text(line, lab.role);
    for (size_t n = strlen(lab.role); n < strlen("server"); n++)
        put(line, " ", 1);
    put(line, "  ", 2);
    put_formatted(line, entry->format, arguments);
    if (has_address(entry)) {
        char address[ADDRESS_SIZE];
        format_address(address, entry->kind, entry->fd, " > ");
        put(line, "  [", 3);
        put_text(line, address);
        put(line, "]", 1);
    }
    put(line, "\n", 1);
}

static pid_t this_thread(void)
{
    if (thread_id == 0)
        thread_id = (pid_t)syscall(SYS_gettid);
    return thread_id;
}

static void compose_for_conductor(struct line *line, const struct entry *entry, va_list arguments)
{
    static const char *const kinds[] = {"note", "listen", "conn", "send", "recv", "pause"};
    put_field(line, now());
    put_field(line, lab.pid);
    put_field(line, this_thread());
    put_text(line, lab.role);
    put(line, "\t", 1);
    put_text(line, kinds[entry->kind]);
    put(line, "\t", 1);
    put_field(line, entry->fd);
    put_field(line, entry->count);
    char address[ADDRESS_SIZE] = {'-', '\0'};
    if (has_address(entry))
        format_address(address, entry->kind, entry->fd, ">");
    put_text(line, address);
    put(line, "\t", 1);
    put_text(line, last_component(entry->file));
    put(line, ":", 1);
    put_field(line, entry->line);
    put_formatted(line, entry->format, arguments);
}

static ssize_t sendmsg_restarting(int fd, const struct msghdr *message)
{
    ssize_t n;
    do
        n = sendmsg(fd, message, MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n;
}

// Sends a line to the conductor, with a descriptor if passed is not -1; false if nobody receives it.
static bool send_line(struct line *line, int passed)
{
    struct iovec bytes = {.iov_base = line->bytes, .iov_len = line->n};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    if (passed != -1) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed, sizeof passed);
    }
    int fd = atomic_load(&conductor_fd);
    ssize_t n = sendmsg_restarting(fd, &message);
    if (n == -1 && (errno == EBADF || errno == ENOTSOCK)) // closed under us, or never open
        n = sendmsg_restarting(open_conductor(fd), &message);
    return n != -1;
}

// Sends a line and waits until the conductor lets this thread go on; false if there was nothing to wait for, because no
// descriptor was left for the pair or the conductor is gone.
static bool send_line_and_wait(struct line *line)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return false;
    int floor = atomic_load(&conductor_fd) + 1; // never the number of a conductor_fd that was closed under us
    for (int i = 0; i < 2; i++)
        pair[i] = moved_up(pair[i], floor > USUAL_DESCRIPTORS ? floor : high_floor() + 1);
    bool sent = send_line(line, pair[1]);
    close(pair[1]); // so that the conductor's end is the only one, and its death is our EOF
    char go;
    while (sent && read(pair[0], &go, 1) == -1 && errno == EINTR)
        ;
    close(pair[0]);
    return sent;
}

static void write_line(const struct line *line)
{
    while (write(STDERR_FILENO, line->bytes, line->n) == -1 && errno == EINTR)
        ;
}

// Logs one line; true if the thread was held at it.
static bool log_line(const struct entry *entry, va_list arguments)
{
    struct line line;
    line.n = 0;
    if (lab.conductor_size == 0) {
        compose_for_people(&line, entry, arguments);
        write_line(&line);
        return false;
    }
    compose_for_conductor(&line, entry, arguments);
    bool held = lab.hold == HOLD_ALL || (lab.hold == HOLD_PAUSES && entry->kind == EVENT_PAUSE);
    if (held && send_line_and_wait(&line))
        return true;
    send_line(&line, -1);
    return false;
}

static bool log_pause(struct entry entry, ...)
{
    va_list arguments;
    va_start(arguments, entry);
    bool held = log_line(&entry, arguments);
    va_end(arguments);
    return held;
}

void event_at(const char *file, int line, enum event_kind kind, int fd, long long count, const char *format, ...)
{
    int saved = errno;
    pthread_once(&once, begin);
    if (!lab.off) {
        struct entry entry = {file, line, kind, fd, count, format};
        errno = saved; // for a %m in format
        va_list arguments;
        va_start(arguments, format);
        log_line(&entry, arguments);
        va_end(arguments);
    }
    errno = saved;
}

void pause_at(const char *file, int line, unsigned seconds)
{
    int saved = errno;
    pthread_once(&once, begin);
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    struct entry entry = {file, line, EVENT_PAUSE, -1, seconds * ns_per_second, "pausing %u s"};
    bool held = !lab.off && log_pause(entry, seconds);
    while (!held && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
    errno = saved;
}
