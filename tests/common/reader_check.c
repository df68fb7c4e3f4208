// Does the reader keep what reader.h promises? Usage: reader_check CHECK [SEED [flip]]; 0 if it does, else 1 and words.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "must.h"
#include "net.h"
#include "reader.h"

#define CHECK(condition, ...)                                                                                          \
    ((condition) ? (void)0 : (printf("line %d: " #condition ": ", __LINE__), printf(__VA_ARGS__), puts(""), exit(1)))

static atomic_int interrupted; // how many calls of read(2) ended in EINTR; the linker's --wrap brings them here

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n)
{
    ssize_t got = __real_read(fd, buf, n);
    if (got == -1 && errno == EINTR)
        interrupted++;
    return got;
}

// A stream, and who writes it, in pieces of random sizes.
struct stream {
    char *bytes;
    size_t n;
    int fd;
    unsigned seed;
};

static size_t random_below(unsigned *seed, size_t limit)
{
    return ((size_t)rand_r(seed) << 16 ^ (size_t)rand_r(seed)) % limit;
}

static void add_line(struct stream *s, size_t length, int ended)
{
    for (size_t i = 0; i + 1 < length || (i < length && !ended); i++) {
        char byte = (char)random_below(&s->seed, i % 7 == 0 ? 256 : 3); // many NULs
        s->bytes[s->n++] = byte == '\n' ? '\0' : byte;
    }
    if (ended)
        s->bytes[s->n++] = '\n';
}

static struct stream random_stream(unsigned seed)
{
    static const size_t edges[] = {READER_ROOM, 2 * READER_ROOM, 3 * READER_ROOM / 2, READER_LINE_MAX - 1};
    struct stream s = {.bytes = malloc(8 << 20), .seed = seed};
    size_t lines = random_below(&s.seed, 200);
    for (size_t i = 0; i < lines && s.n < 4 << 20; i++)
        if (random_below(&s.seed, 20) == 0)
            add_line(&s, edges[random_below(&s.seed, 4)] + random_below(&s.seed, 3) - 1, 1);
        else
            add_line(&s, 1 + random_below(&s.seed, random_below(&s.seed, 2) ? 3 : 300), 1);
    switch (random_below(&s.seed, 4)) {
    case 0:
        add_line(&s, READER_LINE_MAX + random_below(&s.seed, 3) - 1, 1); // the longest line, one less, one more
        add_line(&s, 5, 1);
        break;
    case 1:
        add_line(&s, READER_LINE_MAX + random_below(&s.seed, 3) - 1, 0);
        break;
    case 2:
        add_line(&s, random_below(&s.seed, 3 * READER_ROOM), 0);
        break;
    default:
        break;
    }
    return s;
}

static void *write_stream(void *argument)
{
    struct stream *s = argument;
    for (size_t done = 0; done < s->n;) {
        size_t n = 1 + random_below(&s->seed, random_below(&s->seed, 3) ? 100000 : 50);
        n = n < s->n - done ? n : s->n - done;
        if (send_all(s->fd, s->bytes + done, n) == -1)
            break; // the reader has given the line up
        done += n;
    }
    close(s->fd);
    return NULL;
}

// What a reader has to return at offset at of a stream: the naive model, which has the whole stream before it.
static int model(const char *bytes, size_t n, size_t *at, struct slice *line)
{
    line->data = bytes + *at;
    for (line->len = 0; *at + line->len < n;) {
        if (line->len == READER_LINE_MAX)
            return -1;
        if (bytes[*at + line->len++] == '\n') {
            *at += line->len;
            return 1;
        }
    }
    if (line->len == READER_LINE_MAX)
        return -1;
    *at += line->len;
    return 0;
}

// The next line, which must be the model's, too.
static int compare_once(struct reader *in, const char *bytes, size_t n, size_t *at, unsigned seed)
{
    struct slice expected, line;
    size_t from = *at;
    int want = model(bytes, n, at, &expected);
    int got = read_line(in, &line);
    CHECK(got == want && (got != -1 || errno == EMSGSIZE), "%d, want %d, at %zu, seed %u", got, want, from, seed);
    if (got != -1)
        CHECK(line.len == expected.len && memcmp(line.data, expected.data, line.len) == 0,
              "a line of %zu bytes, want %zu, at %zu, seed %u", line.len, expected.len, from, seed);
    CHECK(in->size <= READER_LINE_MAX, "%zu", in->size);
    CHECK(in->buf == in->room || in->size > READER_ROOM, "%zu", in->size);
    return got;
}

static void check_model(unsigned seed, int flip)
{
    struct stream s = random_stream(seed);
    char *known = malloc(s.n + 1);
    memcpy(known, s.bytes, s.n);
    if (flip) // the negative control
        known[0] ^= 64;
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    s.fd = pair[1];
    pthread_t writer;
    pthread_create(&writer, NULL, write_stream, &s);

    struct reader in;
    reader_open(&in, pair[0]);
    size_t at = 0;
    while (compare_once(&in, known, s.n, &at, seed) == 1)
        ;
    for (int i = 0; i < 3; i++) // and so it stays
        compare_once(&in, known, s.n, &at, seed);
    reader_close(&in);
    close(pair[0]);
    pthread_join(writer, NULL);
    free(s.bytes);
    free(known);
}

static void on_signal(int number)
{
    (void)number;
}

struct interruption {
    pthread_t reader;
    int fd;
};

// Signals until three reads were interrupted, which only a blocked one can be; then lets the line come.
static void *interrupt(void *argument)
{
    struct interruption *i = argument;
    must(send_all(i->fd, "ab", 2));
    while (interrupted < 3) {
        pthread_kill(i->reader, SIGUSR1);
        sched_yield();
    }
    must(send_all(i->fd, "cd\n", 3));
    return NULL;
}

static void check_interrupted(void)
{
    struct sigaction action = {.sa_handler = on_signal}; // without SA_RESTART
    must(sigaction(SIGUSR1, &action, NULL));
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct interruption i = {pthread_self(), pair[1]};
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt, &i);
    struct reader in;
    reader_open(&in, pair[0]);
    struct slice line;
    int got = read_line(&in, &line);
    CHECK(got == 1 && line.len == 5 && memcmp(line.data, "abcd\n", 5) == 0, "%d, errno %s", got, errno_name(errno));
    CHECK(interrupted >= 3, "%d", interrupted);
    pthread_join(thread, NULL);
    reader_close(&in);
}

static void check_error(void)
{
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    must(fcntl(pair[0], F_SETFL, O_NONBLOCK));
    struct reader in;
    reader_open(&in, pair[0]);
    struct slice line;
    must(send_all(pair[1], "one\ntw", 6));
    CHECK(read_line(&in, &line) == 1 && line.len == 4, "%zu", line.len);
    for (int i = 0; i < 2; i++)
        CHECK(read_line(&in, &line) == -1 && errno == EAGAIN, "%s", errno_name(errno));
    must(send_all(pair[1], "o\nthr", 5));
    CHECK(read_line(&in, &line) == 1 && line.len == 4 && memcmp(line.data, "two\n", 4) == 0, "%zu", line.len);
    close(pair[0]);
    CHECK(read_line(&in, &line) == -1 && errno == EBADF, "%s", errno_name(errno));
    CHECK(in.end - in.start == 3, "%zu bytes kept", in.end - in.start);
    reader_close(&in);
}

static void check_no_copy(void)
{
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    must(send_all(pair[1], "one\ntwo\nthree\n", 14));
    struct reader in;
    reader_open(&in, pair[0]);
    struct slice line;
    size_t offset = 0;
    for (int i = 0; i < 3; i++, offset += line.len) {
        CHECK(read_line(&in, &line) == 1, "%s", errno_name(errno));
        CHECK(line.data == in.room + offset, "a copy");
    }
    reader_close(&in);
}

// A long line takes memory for as long as it lasts, and not longer.
static void check_memory(void)
{
    struct stream s = {.bytes = malloc(READER_LINE_MAX + 6), .seed = 1};
    add_line(&s, READER_LINE_MAX, 1);
    add_line(&s, 3, 1);
    add_line(&s, 3, 1);
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    s.fd = pair[1];
    pthread_t writer;
    pthread_create(&writer, NULL, write_stream, &s);
    struct reader in;
    reader_open(&in, pair[0]);
    struct slice line;
    CHECK(read_line(&in, &line) == 1 && line.len == READER_LINE_MAX, "%zu", line.len);
    CHECK(in.size == READER_LINE_MAX, "%zu", in.size);
    CHECK(read_line(&in, &line) == 1 && read_line(&in, &line) == 1, "%s", errno_name(errno));
    CHECK(read_line(&in, &line) == 0 && in.buf == in.room, "the allocation was kept");
    reader_close(&in);
    pthread_join(writer, NULL);
    free(s.bytes);
}

int main(int argc, char **argv)
{
    const char *check = argc > 1 ? argv[1] : "";
    if (strcmp(check, "model") == 0)
        check_model(argc > 2 ? (unsigned)atoi(argv[2]) : 1, argc > 3);
    else if (strcmp(check, "interrupted") == 0)
        check_interrupted();
    else if (strcmp(check, "error") == 0)
        check_error();
    else if (strcmp(check, "no-copy") == 0)
        check_no_copy();
    else if (strcmp(check, "memory") == 0)
        check_memory();
    else
        return 2;
}
