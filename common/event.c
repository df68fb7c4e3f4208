// event.c: one log line, one system call.
//
// A line is put together in a buffer on the caller's stack and leaves by one write(2), or by one sendmsg(2) to the
// conductor. No lock is taken for that, so threads never wait for each other here, and a forked child finds nothing
// locked. (A line that names a socket asks the kernel for its addresses first. A held line: see hold.c.)
//
// One shortcut: this file has static state, because event("...") has no place for a handle. The state is what the
// environment said (read once), the time when the program began, its process id, each thread's id, and the conductor's
// descriptor. A program that closes all descriptors that it did not open closes this one too. Then the next line opens
// it again. (If the number were in use for another socket by then, the line would go there. But it is 500 or more, and
// no program of this lab has so many descriptors.)
#define _GNU_SOURCE
#include "event.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"

enum { LINE_SIZE = EVENT_TEXT_MAX + 1024, ROLE_SIZE = 64, ENDPOINT_SIZE = 80, ADDRESS_SIZE = 2 * ENDPOINT_SIZE };

static const long long ns_per_second = 1000000000;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
    bool off;
    char role[ROLE_SIZE];
    long long began; // nanoseconds
    pid_t pid;
    struct sockaddr_un conductor;
    socklen_t conductor_size; // 0: no conductor
} lab;
static atomic_int conductor_fd = -1;
static _Thread_local pid_t thread_id; // 0: the kernel was not asked yet

struct line {
    char bytes[LINE_SIZE];
    size_t n;
};

// Adds to a line, as printf. What does not fit would be cut. But LINE_SIZE is enough, with NAME_MAX bytes to spare.
static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->bytes - line->n;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line->bytes + line->n, room, format, arguments);
    va_end(arguments);
    size_t n = written < 0 ? 0 : (size_t)written;
    line->n += n < room ? n : room - 1;
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

// Puts a '?' in place of each character that would end the line or move the cursor.
static void make_printable(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

// Adds the text of a line, cut at EVENT_TEXT_MAX bytes.
static void add_text(struct line *line, const char *format, va_list arguments)
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

// Connects to the conductor in place of the descriptor bad. If two threads do so at once, one new descriptor stays
// unused.
static int open_conductor(int bad)
{
    int fd = moved_up(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
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

// Sets the conductor's address from its name: "@x" is the abstract name "\0x", anything else is a path.
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

static void begin(void)
{
    lab.began = now();
    lab.pid = getpid();
    const char *events = getenv("TCPLAB_EVENTS");
    lab.off = events != NULL && strcmp(events, "off") == 0;

    const char *role = getenv("TCPLAB_ROLE");
    if (role == NULL || role[0] == '\0')
        role = program_invocation_short_name;
    strncpy(lab.role, role, sizeof lab.role - 1);
    make_printable(lab.role, strlen(lab.role));

    set_conductor(getenv("TCPLAB_CONDUCTOR"));
    if (lab.conductor_size > 0 && !lab.off) {
        hold_begin();
        open_conductor(-1);
    }
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

// Writes "127.0.0.1:8080" or "[::1]:8080" to text; "-" if there is no such address.
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

// Writes a socket's own address to text, and for a connection the separator and the peer's address, too.
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

// What a line says, and where in the program it is logged.
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
    add(line, "%4lld.%03lld %-6s  ", ms / 1000, ms % 1000, lab.role);
    add_text(line, entry->format, arguments);
    if (has_address(entry)) {
        char address[ADDRESS_SIZE];
        format_address(address, entry->kind, entry->fd, " > ");
        add(line, "  [%s]", address);
    }
    line->bytes[line->n++] = '\n';
}

static pid_t this_thread(void)
{
    if (thread_id == 0)
        thread_id = (pid_t)syscall(SYS_gettid);
    return thread_id;
}

static void compose_for_conductor(struct line *line, const struct entry *entry, va_list arguments)
{
#define WORD(kind, word) word,
    static const char *const words[] = {EVENT_KINDS(WORD)};
    char address[ADDRESS_SIZE] = "-";
    if (has_address(entry))
        format_address(address, entry->kind, entry->fd, ">");
    add(line, "%lld\t%d\t%d\t%s\t%s\t%d\t%lld\t%s\t%s:%d\t", now(), (int)lab.pid, (int)this_thread(), lab.role,
        words[entry->kind], entry->fd, entry->count, address, last_component(entry->file), entry->line);
    add_text(line, entry->format, arguments);
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
    if (n == -1 && (errno == EBADF || errno == ENOTSOCK)) // the program has closed it, or it was never open
        n = sendmsg_restarting(open_conductor(fd), &message);
    return n != -1;
}

// Sends a line and waits until the conductor lets this thread go on. Returns false if it did not wait, because no gate
// could be made or the conductor is gone.
static bool send_line_and_wait(struct line *line)
{
    struct gate gate;
    if (!gate_open(&gate, atomic_load(&conductor_fd))) // above the conductor's number, even if that is closed
        return false;
    bool sent = send_line(line, gate.far);
    gate_pass(&gate, sent);
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
    if (hold_wanted(entry->kind) && send_line_and_wait(&line))
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
