// How fast do lines come out of a descriptor? Usage: lines reader|getline|limit < file; prints "seconds lines bytes".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "must.h"
#include "reader.h"

struct count {
    long long lines, bytes;
};

static struct count by_reader(void)
{
    struct count count = {0, 0};
    struct reader in;
    reader_open(&in, STDIN_FILENO);
    struct slice line;
    while (must(read_line(&in, &line)) == 1) {
        count.lines++;
        count.bytes += (long long)line.len;
    }
    reader_close(&in);
    return count;
}

static struct count by_getline(void)
{
    struct count count = {0, 0};
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        count.lines++;
        count.bytes += n;
    }
    free(line);
    return count;
}

// The limit: the same buffer and a search in it, no interface. Lines longer than the buffer are beyond it.
static struct count by_bare_loop(void)
{
    static char buf[READER_ROOM];
    struct count count = {0, 0};
    size_t have = 0;
    ssize_t n;
    while ((n = read(STDIN_FILENO, buf + have, sizeof buf - have)) > 0) {
        const char *line = buf, *end = buf + have + n, *newline;
        while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
            count.lines++;
            count.bytes += newline + 1 - line;
            line = newline + 1;
        }
        have = (size_t)(end - line);
        memmove(buf, line, have);
    }
    return count;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    struct count count = strcmp(way, "reader") == 0    ? by_reader()
                         : strcmp(way, "getline") == 0 ? by_getline()
                                                       : by_bare_loop();
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.6f %lld %lld\n", (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9,
           count.lines, count.bytes);
}
