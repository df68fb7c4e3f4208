// must.h: do it, or stop and say where and why.
//
// The signal rule of the scenarios: what is inside must() is not the lesson; a bare call with visible handling is.
#ifndef TCPLAB_MUST_H
#define TCPLAB_MUST_H

// Evaluates to the call's value as an int. If that is -1, writes
//     server.c:31: bind(...): EADDRINUSE (Address already in use)
// to standard error and ends the program with status 1.
#define must(call) must_at(__FILE__, __LINE__, #call, (call))

// The same for a call that has put into words what went wrong.
//     client.c:20: connect to 127.0.0.1 port 8080: ECONNREFUSED (Connection refused)
#define must_say(call, words) must_say_at(__FILE__, __LINE__, (call), (words))

// Returns the errno's name, "EPIPE"; "unknown error" for a number that it does not know. The text is never freed.
const char *errno_name(int error);

int must_at(const char *file, int line, const char *call, long value);
int must_say_at(const char *file, int line, int value, const char *words);

#endif
