// What does the codec of scenario 8 make of a stream? Usage: frame_check encode|decode|read. Each line of standard input
// is a payload, or a stream: hexadecimal, and a blank is a cut. Each is answered by a line, the frame, or the payloads
// that came and what stood at the end:
//
//     68656c6c6f - end 7 9        "hello", an empty one; 7 bytes of a frame that is to have 9 of payload
//     refused 4 83886080          or "error ENOMEM"
//
// decode gives the decoder each piece from memory; read has it read a socket, which a thread fills piece by piece. The
// last line tells the largest allocation that was asked for (the linker's --wrap brings frame.c's malloc here).
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "must.h"
#include "net.h"

static size_t largest;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
    largest = n > largest ? n : largest;
    return __real_malloc(n);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

// The bytes of a word of hexadecimal digits, in its own place.
static size_t unhex(char *word)
{
    size_t n = strlen(word) / 2;
    for (size_t i = 0; i < n; i++)
        word[i] = (char)(digit(word[2 * i]) << 4 | digit(word[2 * i + 1]));
    return n;
}

static void hex(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", (unsigned char)bytes[i]);
}

static void show(const struct frame *in)
{
    if (in->length == 0)
        printf("-");
    hex(in->payload, in->length);
    printf(" ");
}

static void show_end(const struct frame *in, int got)
{
    if (got == 0)
        printf("end %zu %zu\n", in->got, in->length);
    else if (errno == EMSGSIZE)
        printf("refused %zu %zu\n", in->got, in->length);
    else
        printf("error %s\n", errno_name(errno));
}

static void encode(char *line)
{
    size_t n = unhex(line);
    static char frame[FRAME_HEADER + FRAME_MAX + 1];
    ssize_t size = frame_encode(frame, sizeof frame, line, n);
    if (size == -1)
        printf("%s", errno_name(errno));
    else
        hex(frame, (size_t)size);
    puts("");
}

static int feed(struct frame *in, const char *bytes, size_t n)
{
    while (n > 0) {
        size_t room;
        char *space = frame_space(in, &room);
        size_t some = room < n ? room : n;
        memcpy(space, bytes, some);
        bytes += some;
        n -= some;
        int got = frame_received(in, some);
        if (got == -1)
            return -1;
        if (got == 1) {
            show(in);
            frame_close(in);
        }
    }
    return 0;
}

static void decode(char *line)
{
    struct frame in = {0};
    int got = 0;
    for (char *word = strtok(line, " "); word != NULL && got == 0; word = strtok(NULL, " "))
        got = feed(&in, word, unhex(word));
    show_end(&in, got);
    frame_close(&in);
}

struct writer {
    char *line;
    int conn;
};

static void *write_pieces(void *argument)
{
    const struct writer *w = argument;
    for (char *word = strtok(w->line, " "); word != NULL; word = strtok(NULL, " "))
        if (send_all(w->conn, word, unhex(word)) == -1)
            break; // the reader has refused
    close(w->conn);
    return NULL;
}

static void read_pieces(char *line)
{
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct writer w = {line, pair[1]};
    pthread_t thread;
    pthread_create(&thread, NULL, write_pieces, &w);
    struct frame in = {0};
    int got;
    while ((got = read_length(&in, pair[0])) == 1 && (got = read_payload(&in, pair[0])) == 1)
        show(&in);
    show_end(&in, got);
    frame_close(&in);
    close(pair[0]);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    void (*answer)(char *) = strcmp(what, "encode") == 0   ? encode
                             : strcmp(what, "decode") == 0 ? decode
                             : strcmp(what, "read") == 0   ? read_pieces
                                                           : NULL;
    if (answer == NULL)
        return 2;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        line[n - 1] = '\0';
        answer(line);
        fflush(stdout);
    }
    free(line);
    printf("largest %zu\n", largest);
}
