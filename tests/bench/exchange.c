// How many exchanges like scenario 3's are there in a second? Usage: exchange WAY ROUNDS CPU CPU; prints the seconds.
//
// A client and a forked server, each on its CPU, on one connection over 127.0.0.1: a line of 18 bytes, a response of 18
// bytes. The WAY "lab" is made of reader, send_all and a log line at each step, as the scenario's programs are; "bare"
// of read(2) and write(2); "ready" is bare with one write(2) of a ready-made line in the place of each log line.
#define _GNU_SOURCE // sched_setaffinity
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "must.h"
#include "net.h"
#include "quote.h"
#include "reader.h"

#define REQUEST "This is a message\n"
#define RESPONSE "Message received.\n"
enum { SIZE = 18 };

static void lab_server(int conn)
{
    event_conn(conn, "accepted");
    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    for (;;) {
        event("reading data");
        if (must(read_line(&in, &line)) == 0)
            break;
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
        event_sending(conn, SIZE, "writing response");
        must(send_all(conn, RESPONSE, SIZE));
    }
    reader_close(&in);
}

static void lab_client(int conn, long rounds)
{
    struct reader in;
    reader_open(&in, conn);
    struct slice line;
    for (long i = 0; i < rounds; i++) {
        event_sending(conn, SIZE, "sending %s", quoted(REQUEST, SIZE));
        must(send_all(conn, REQUEST, SIZE));
        event("reading data");
        if (must(read_line(&in, &line)) == 0)
            exit(3);
        event_received(conn, line.len, "Received message: %s", quoted(line.data, line.len));
    }
    reader_close(&in);
}

// A line of the usual length, ready-made, or none: what is the least that a log line can cost?
static void write_ready_line(bool lines)
{
    if (lines)
        must(write(STDERR_FILENO, "   0.000 exchange  Received message: \"This is a message\\n\"\n", 60));
}

static void bare_server(int conn, bool lines)
{
    char buf[1024];
    for (;;) {
        write_ready_line(lines);
        if (must(read(conn, buf, sizeof buf)) == 0)
            break;
        write_ready_line(lines);
        write_ready_line(lines);
        must(write(conn, RESPONSE, SIZE));
    }
}

static void bare_client(int conn, long rounds, bool lines)
{
    char buf[1024];
    for (long i = 0; i < rounds; i++) {
        write_ready_line(lines);
        must(write(conn, REQUEST, SIZE));
        write_ready_line(lines);
        must(read(conn, buf, sizeof buf));
        write_ready_line(lines);
    }
}

static int dial_bare(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    must(getsockname(listener, (struct sockaddr *)&address, &size));
    int conn = (int)must(socket(AF_INET, SOCK_STREAM, 0));
    must(connect(conn, (struct sockaddr *)&address, size));
    return conn;
}

static void stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    must(sched_setaffinity(0, sizeof set, &set));
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const char *way = argv[1];
    bool lab = strcmp(way, "lab") == 0, ready = strcmp(way, "ready") == 0;
    long rounds = atol(argv[2]);
    struct address here = {.host = "127.0.0.1", .port = "0"};
    int listener = must_say(listen_on(&here), here.error);
    if (must(fork()) == 0) {
        stay_on(atoi(argv[4]));
        int conn = (int)must(accept(listener, NULL, NULL));
        if (lab)
            lab_server(conn);
        else
            bare_server(conn, ready);
        _exit(0);
    }
    stay_on(atoi(argv[3]));
    int conn = dial_bare(listener);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (lab)
        lab_client(conn, rounds);
    else
        bare_client(conn, rounds, ready);
    clock_gettime(CLOCK_MONOTONIC, &to);
    must(close(conn));
    must(wait(NULL));
    printf("%.6f\n", (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
}
