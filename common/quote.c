#include "quote.h"

#include <stdbool.h>
#include <stdio.h>

// Returns the letter that stands for a byte after a backslash in C, or NUL if there is none.
static char escape_letter(unsigned char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\t':
        return 't';
    case '\r':
        return 'r';
    case '\\':
    case '"':
        return (char)byte;
    default:
        return '\0';
    }
}

// Writes one byte at to, as an escape. Returns the place behind it. An octal escape has up to three digits (C11
// 6.4.4.4). So it must have all three if a digit follows it: "\0" but "\0007".
static char *put_escape(char *to, unsigned char byte, bool before_digit)
{
    *to++ = '\\';
    char letter = escape_letter(byte);
    if (letter != '\0') {
        *to++ = letter;
        return to;
    }
    if (before_digit || byte >= 0100)
        *to++ = (char)('0' + (byte >> 6));
    if (before_digit || byte >= 010)
        *to++ = (char)('0' + (byte >> 3 & 7));
    *to++ = (char)('0' + (byte & 7));
    return to;
}

static bool stands_for_itself(unsigned char byte)
{
    return byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
}

static bool is_digit_at(const unsigned char *bytes, size_t i, size_t n)
{
    return i < n && bytes[i] >= '0' && bytes[i] <= '9';
}

char *quote(char *text, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;
    size_t shown = n < QUOTED_MAX ? n : QUOTED_MAX;
    char *to = text;
    *to++ = '"';
    for (size_t i = 0; i < shown; i++)
        if (stands_for_itself(from[i]))
            *to++ = (char)from[i];
        else
            to = put_escape(to, from[i], is_digit_at(from, i + 1, shown));
    *to++ = '"';
    *to = '\0';
    if (shown < n)
        sprintf(to, "... (%zu bytes)", n);
    return text;
}
