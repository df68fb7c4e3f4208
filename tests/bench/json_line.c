#include "json_line.h"

#include <stdbool.h>
#include <string.h>

enum { DEPTH_MAX = 32 }; // of what is skipped

// -- out ----------------------------------------------------------------------------------------------------------------

static char *put(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return to + n;
}

static char *put_number(char *to, int64_t number)
{
    char digits[20];
    size_t n = 0;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number < 0)
        *to++ = '-';
    do
        digits[n++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

// A byte that can't stand in a string as it is.
static char *put_escaped(char *to, char byte)
{
    static const char hex[] = "0123456789abcdef", named[] = "\"\"\\\\b\bf\fn\nr\rt\t";
    *to++ = '\\';
    for (const char *name = named; *name != '\0'; name += 2)
        if (name[1] == byte) {
            *to++ = name[0];
            return to;
        }
    to = put(to, "u00");
    *to++ = hex[byte >> 4 & 15];
    *to++ = hex[byte & 15];
    return to;
}

long json_write(int64_t seq, const char *text, size_t n, char *bytes, size_t size)
{
    if (size < 50 || (size - 50) / 6 < n)
        return -1;
    char *to = put_number(put(bytes, "{\"Seq\":"), seq);
    to = put(to, ",\"Text\":\"");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == '"' || text[i] == '\\')
            to = put_escaped(to, text[i]);
        else
            *to++ = text[i];
    return put(to, "\"}\n") - bytes;
}

// -- in -----------------------------------------------------------------------------------------------------------------

// What is left of the line. A function that takes something off returns false if it is not there.
struct rest {
    const char *at, *end;
};

static bool is_next(struct rest *in, char byte)
{
    if (in->at == in->end || *in->at != byte)
        return false;
    in->at++;
    return true;
}

static void skip_space(struct rest *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

// The byte between two values, with space around it.
static bool is_next_mark(struct rest *in, char byte)
{
    skip_space(in);
    if (!is_next(in, byte))
        return false;
    skip_space(in);
    return true;
}

static bool get_hex(struct rest *in, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        if (in->at == in->end)
            return false;
        char c = *in->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit == -1)
            return false;
        *code = *code << 4 | (unsigned)digit;
    }
    return true;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    *to++ = (char)((0xff00 >> (more + 1) & 0xff) | code >> (6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return to;
}

// Behind "\u": a character, of two such escapes if it is beyond U+FFFF.
static bool get_unicode(struct rest *in, char **to)
{
    unsigned code, low;
    if (!get_hex(in, &code) || (code >= 0xdc00 && code < 0xe000))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (!is_next(in, '\\') || !is_next(in, 'u') || !get_hex(in, &low) || low < 0xdc00 || low >= 0xe000)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, code);
    return true;
}

// A string to text, which has room for as many bytes as the line has; no escape is shorter than what it stands for.
static bool get_string(struct rest *in, char *text, size_t *length)
{
    static const char named[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    char *to = text;
    if (!is_next(in, '"'))
        return false;
    while (in->at < in->end && *in->at != '"') {
        if ((unsigned char)*in->at < ' ')
            return false;
        if (*in->at != '\\') {
            *to++ = *in->at++;
            continue;
        }
        if (++in->at == in->end)
            return false;
        char escape = *in->at++;
        const char *name = named;
        while (*name != '\0' && *name != escape)
            name += 2;
        if (*name != '\0')
            *to++ = name[1];
        else if (escape != 'u' || !get_unicode(in, &to))
            return false;
    }
    *length = (size_t)(to - text);
    return is_next(in, '"');
}

static size_t skip_digits(struct rest *in)
{
    const char *first = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return (size_t)(in->at - first);
}

// Any number; *is_integer tells whether it has neither a fraction nor an exponent.
static bool skip_number(struct rest *in, bool *is_integer)
{
    *is_integer = true;
    is_next(in, '-');
    if (!is_next(in, '0') && skip_digits(in) == 0)
        return false;
    if (is_next(in, '.')) {
        *is_integer = false;
        if (skip_digits(in) == 0)
            return false;
    }
    if (is_next(in, 'e') || is_next(in, 'E')) {
        *is_integer = false;
        if (!is_next(in, '+'))
            is_next(in, '-');
        if (skip_digits(in) == 0)
            return false;
    }
    return true;
}

static bool get_integer(struct rest *in, int64_t *number)
{
    const char *at = in->at;
    bool is_integer, is_negative = at < in->end && *at == '-';
    if (!skip_number(in, &is_integer) || !is_integer)
        return false;
    uint64_t sum = 0, limit = (uint64_t)INT64_MAX + is_negative;
    for (at += is_negative; at < in->at; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (sum > (limit - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

static bool skip_word(struct rest *in, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n) != 0)
        return false;
    in->at += n;
    return true;
}

// Any value. scratch is as large as the line.
static bool skip_value(struct rest *in, char *scratch, int depth)
{
    size_t length;
    bool is_integer;
    if (depth == DEPTH_MAX || in->at == in->end)
        return false;
    char first = *in->at;
    if (first == '"')
        return get_string(in, scratch, &length);
    if (first == '-' || (first >= '0' && first <= '9'))
        return skip_number(in, &is_integer);
    if (first != '{' && first != '[')
        return skip_word(in, "true") || skip_word(in, "false") || skip_word(in, "null");
    char last = first == '{' ? '}' : ']';
    is_next_mark(in, first);
    if (is_next(in, last))
        return true;
    do {
        if (first == '{' && !(get_string(in, scratch, &length) && is_next_mark(in, ':')))
            return false;
        if (!skip_value(in, scratch, depth + 1))
            return false;
    } while (is_next_mark(in, ','));
    return is_next(in, last);
}

static bool get_member(struct rest *in, int64_t *seq, char *text, size_t *length)
{
    char *scratch = text + *length; // behind the Text that may have come: what came is longer than what it stands for
    size_t n;
    if (!get_string(in, scratch, &n) || !is_next_mark(in, ':'))
        return false;
    if (n == 3 && memcmp(scratch, "Seq", 3) == 0)
        return get_integer(in, seq);
    if (n == 4 && memcmp(scratch, "Text", 4) == 0)
        return get_string(in, text, length);
    return skip_value(in, scratch, 0);
}

int json_read(const char *line, size_t n, int64_t *seq, char *text, size_t *length)
{
    struct rest in = {line, line + n};
    *seq = 0;
    *length = 0;
    if (!is_next_mark(&in, '{'))
        return -1;
    if (!is_next(&in, '}')) {
        do
            if (!get_member(&in, seq, text, length))
                return -1;
        while (is_next_mark(&in, ','));
        if (!is_next(&in, '}'))
            return -1;
    }
    skip_space(&in);
    return in.at == in.end ? 0 : -1;
}
