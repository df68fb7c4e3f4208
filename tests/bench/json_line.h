// json_line.h: {"Seq":1,"Text":"This is a message"} and a newline: this one struct as JSON (RFC 8259), for the comparison of
// formats. A real program would take a library.
#ifndef TCPLAB_JSON_LINE_H
#define TCPLAB_JSON_LINE_H

#include <stddef.h>
#include <stdint.h>

// Writes the line for seq and the n bytes of text, which are UTF-8, to bytes[0..size). Returns its length, or -1 if size is too
// small (six times n and 50 is always enough).
long json_write(int64_t seq, const char *text, size_t n, char *bytes, size_t size);

// Takes a line apart: the first n bytes at line, the newline not among them. The text goes to text[0..n), which must not be the
// line itself, and its length to *length. Members may come in any order, others are skipped, missing ones are 0 and "", of two
// with one name the last counts. Returns 0, or -1 for anything that is not JSON, not an object, or where Seq is no integer of
// 64 bits or Text no string, or half of a surrogate pair is in it. UTF-8 is not checked.
int json_read(const char *line, size_t n, int64_t *seq, char *text, size_t *length);

#endif
