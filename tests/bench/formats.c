// The struct of scenario 20 in five formats: how large, how fast, and what if one side changes? Usage:
//
//     formats time FORMAT encode|decode COUNT    "seconds bytes": COUNT messages, and the length of their stream
//     formats size                               of each format: bytes of the first message, of each later one
//     formats change                             of each format: what an unchanged receiver makes of a changed sender
//     formats write, formats read                JSON lines of, or to, lines "Seq hexadecimal-text" (standard input to output)
//
// line: number, space, text, newline. length: a frame of scenario 8 that holds 8 bytes of number, the highest first, and the
// text. memory: a C struct as it lies there, with an array for the text. json, gob: see json_line.h, gob.h.
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frame.h"
#include "gob.h"
#include "json_line.h"

struct message {
    int64_t seq;
    struct gob_bytes text;
};

// A text is at most so long here; only `memory` would have to have a limit.
enum { TEXT_MAX = 64, BATCH = 1000, ROOM = BATCH * 128 };

// One end of a stream of any format. bytes[start..end) is what the other end has sent.
struct stream {
    struct gob_encoder out;
    struct gob_decoder in;
    struct frame frame;
    char text[1024]; // of the last message, where it does not lie in bytes
    const char *bytes;
    size_t start, end;
};

static void fail(const char *words)
{
    fprintf(stderr, "formats: %s\n", words);
    exit(1);
}

// -- line ---------------------------------------------------------------------------------------------------------------

static size_t put_number(char *to, int64_t number)
{
    char digits[20];
    size_t n = 0, len = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        to[len++] = digits[--n];
    return len;
}

static long line_encode(struct stream *out, const struct message *message, char *bytes)
{
    (void)out;
    if (memchr(message->text.data, '\n', message->text.len) != NULL)
        return -1; // or it must be escaped
    size_t n = put_number(bytes, message->seq);
    bytes[n++] = ' ';
    memcpy(bytes + n, message->text.data, message->text.len);
    n += message->text.len;
    bytes[n++] = '\n';
    return (long)n;
}

static int line_decode(struct stream *in, struct message *message)
{
    const char *line = in->bytes + in->start, *at = line;
    const char *newline = memchr(line, '\n', in->end - in->start);
    if (newline == NULL)
        return in->start < in->end ? -1 : 0;
    for (message->seq = 0; *at >= '0' && *at <= '9'; at++)
        message->seq = message->seq * 10 + (*at - '0');
    if (at == line || *at != ' ')
        return -1;
    message->text = (struct gob_bytes){at + 1, (size_t)(newline - at - 1)};
    in->start = (size_t)(newline + 1 - in->bytes);
    return 1;
}

// -- length -------------------------------------------------------------------------------------------------------------

static void put_big_endian(char *to, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        to[i] = (char)(number >> (56 - 8 * i));
}

static long length_encode(struct stream *out, const struct message *message, char *bytes)
{
    (void)out;
    char payload[8 + TEXT_MAX];
    put_big_endian(payload, (uint64_t)message->seq);
    memcpy(payload + 8, message->text.data, message->text.len);
    return frame_encode(bytes, FRAME_HEADER + sizeof payload, payload, 8 + message->text.len);
}

static int length_decode(struct stream *in, struct message *message)
{
    for (int whole = 0; whole != 1;) {
        size_t room, n = in->end - in->start;
        char *space = frame_space(&in->frame, &room);
        if (n == 0)
            return in->frame.got > 0 ? -1 : 0;
        if (n > room)
            n = room;
        memcpy(space, in->bytes + in->start, n);
        in->start += n;
        if ((whole = frame_received(&in->frame, n)) == -1)
            return -1;
    }
    if (in->frame.length < 8)
        return -1;
    uint64_t seq = 0;
    for (int i = 0; i < 8; i++)
        seq = seq << 8 | (unsigned char)in->frame.payload[i];
    *message = (struct message){(int64_t)seq, {in->frame.payload + 8, in->frame.length - 8}};
    return 1;
}

// -- memory -------------------------------------------------------------------------------------------------------------

struct in_memory {
    int64_t seq;
    char text[TEXT_MAX];
};

static long memory_encode(struct stream *out, const struct message *message, char *bytes)
{
    (void)out;
    struct in_memory image = {.seq = message->seq};
    if (message->text.len >= sizeof image.text)
        return -1;
    memcpy(image.text, message->text.data, message->text.len);
    memcpy(bytes, &image, sizeof image);
    return sizeof image;
}

static int memory_decode(struct stream *in, struct message *message)
{
    struct in_memory image;
    if (in->end - in->start < sizeof image)
        return in->start < in->end ? -1 : 0;
    memcpy(&image, in->bytes + in->start, sizeof image);
    in->start += sizeof image;
    memcpy(in->text, image.text, sizeof image.text);
    *message = (struct message){image.seq, {in->text, strnlen(in->text, sizeof image.text)}};
    return 1;
}

// -- json ---------------------------------------------------------------------------------------------------------------

static long json_encode(struct stream *out, const struct message *message, char *bytes)
{
    (void)out;
    return json_write(message->seq, message->text.data, message->text.len, bytes, 50 + 6 * TEXT_MAX);
}

static int json_decode(struct stream *in, struct message *message)
{
    const char *line = in->bytes + in->start;
    const char *newline = memchr(line, '\n', in->end - in->start);
    if (newline == NULL)
        return in->start < in->end ? -1 : 0;
    size_t n = (size_t)(newline - line);
    in->start += n + 1;
    message->text.data = in->text;
    if (n > sizeof in->text)
        return -1;
    return json_read(line, n, &message->seq, in->text, &message->text.len) == -1 ? -1 : 1;
}

// -- gob ----------------------------------------------------------------------------------------------------------------

static const struct gob_field fields[] = {
    {"Seq", GOB_INT, false, offsetof(struct message, seq)},
    {"Text", GOB_STRING, false, offsetof(struct message, text)},
};
static const struct gob_type type = {"Message", sizeof(struct message), fields, 2};

static long gob_encode_one(struct stream *out, const struct message *message, char *bytes)
{
    return gob_encode(&out->out, &type, message, bytes, 128);
}

static int gob_decode_one(struct stream *in, struct message *message)
{
    for (;;) {
        int got = gob_next(&in->in, &type, message);
        if (got == 1 || got == -1)
            return got;
        size_t room, n = in->end - in->start;
        if (got == 0 && n == 0)
            return gob_unfinished(&in->in) > 0 ? -1 : 0;
        if (got == 0) {
            char *space = gob_space(&in->in, &room);
            if (n > room)
                n = room;
            memcpy(space, in->bytes + in->start, n);
            in->start += n;
            gob_received(&in->in, n);
        }
    }
}

// -- all of them --------------------------------------------------------------------------------------------------------

static const struct format {
    const char *name;
    long (*encode)(struct stream *, const struct message *, char *bytes); // its length; -1: can't be
    int (*decode)(struct stream *, struct message *);                     // 1 a message, 0 the end, -1 refused
} formats[] = {
    {"line", line_encode, line_decode},       {"length", length_encode, length_decode},
    {"memory", memory_encode, memory_decode}, {"json", json_encode, json_decode},
    {"gob", gob_encode_one, gob_decode_one},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

#define TEXT "This is a message"
static const struct gob_bytes text = {TEXT, sizeof TEXT - 1};

static struct stream *stream_new(void)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        fail("no memory");
    gob_decoder_open(&stream->in);
    return stream;
}

static void stream_free(struct stream *stream)
{
    frame_close(&stream->frame);
    free(stream);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// One batch of messages to bytes[0..ROOM); their length.
static size_t encode_batch(const struct format *format, struct stream *out, char *bytes)
{
    size_t end = 0;
    for (int64_t i = 1; i <= BATCH; i++) {
        long n = format->encode(out, &(struct message){i, text}, bytes + end);
        if (n == -1)
            fail("can't be encoded");
        end += (size_t)n;
    }
    return end;
}

static void decode_batch(const struct format *format, struct stream *in, const char *bytes, size_t n)
{
    struct message message;
    int64_t sum = 0;
    int got;
    in->bytes = bytes;
    in->start = 0;
    in->end = n;
    while ((got = format->decode(in, &message)) == 1)
        sum += message.seq + (int64_t)message.text.len;
    if (got == -1 || sum != (int64_t)BATCH * (BATCH + 1) / 2 + (int64_t)(BATCH * text.len))
        fail("decoded something else");
}

// Only the named half is timed: a batch is encoded and decoded by turns, so that both find it in the cache.
static void time_format(const struct format *format, bool is_encode, long count)
{
    static char bytes[ROOM];
    struct stream *out = stream_new(), *in = stream_new();
    double times[3], spent = 0;
    size_t sum = 0;
    for (long done = 0; done < count; done += BATCH) {
        times[0] = seconds();
        size_t n = encode_batch(format, out, bytes);
        times[1] = seconds();
        decode_batch(format, in, bytes, n);
        times[2] = seconds();
        spent += is_encode ? times[1] - times[0] : times[2] - times[1];
        sum += n;
    }
    printf("%.6f %zu\n", spent, sum);
    stream_free(in);
    stream_free(out);
}

static void print_sizes(void)
{
    for (size_t i = 0; i < FORMATS; i++) {
        char bytes[1024];
        struct stream *out = stream_new();
        long first = formats[i].encode(out, &(struct message){1, text}, bytes);
        long later = formats[i].encode(out, &(struct message){2, text}, bytes);
        printf("%s %ld %ld\n", formats[i].name, first, later);
        stream_free(out);
    }
}

// -- one side changes ---------------------------------------------------------------------------------------------------

enum change { ADDED, SWAPPED, RETYPED, CHANGES }; // a bool behind the text; the text first; seq is a float64

// What a sender of that format puts into bytes for seq and the text, after the change.
static size_t changed_line(enum change change, int seq, char *bytes)
{
    static const char *const forms[] = {"%1$d %2$s true\n", "%2$s %1$d\n", "%1$d.0 %2$s\n"};
    return (size_t)snprintf(bytes, 128, forms[change], seq, TEXT);
}

static size_t changed_json(enum change change, int seq, char *bytes)
{
    static const char *const forms[] = {"{\"Seq\":%1$d,\"Text\":\"%2$s\",\"Urgent\":true}\n",
                                        "{\"Text\":\"%2$s\",\"Seq\":%1$d}\n", "{\"Seq\":%1$d.0,\"Text\":\"%2$s\"}\n"};
    return (size_t)snprintf(bytes, 128, forms[change], seq, TEXT);
}

static size_t changed_length(enum change change, int seq, char *bytes)
{
    char payload[8 + TEXT_MAX];
    size_t at = change == SWAPPED ? text.len : 0, n = 8 + text.len;
    double number = seq;
    uint64_t bits = (uint64_t)seq;
    if (change == RETYPED)
        memcpy(&bits, &number, 8);
    put_big_endian(payload + at, bits);
    memcpy(payload + (change == SWAPPED ? 0 : 8), text.data, text.len);
    if (change == ADDED)
        payload[n++] = 1;
    return (size_t)frame_encode(bytes, 128, payload, n);
}

static size_t changed_memory(enum change change, int seq, char *bytes)
{
    struct {
        int64_t seq;
        char text[TEXT_MAX];
        bool urgent;
    } added = {seq, TEXT, true};
    struct {
        char text[TEXT_MAX];
        int64_t seq;
    } swapped = {TEXT, seq};
    struct {
        double seq;
        char text[TEXT_MAX];
    } retyped = {seq, TEXT};
    size_t n = change == ADDED ? sizeof added : change == SWAPPED ? sizeof swapped : sizeof retyped;
    memcpy(bytes, change == ADDED ? (void *)&added : change == SWAPPED ? (void *)&swapped : (void *)&retyped, n);
    return n;
}

static size_t changed_gob(struct stream *out, enum change change, int seq, char *bytes)
{
    struct changed {
        int64_t seq;
        struct gob_bytes text;
        bool urgent;
        double number;
    } value = {seq, text, true, seq};
    static const struct gob_field seq_field = {"Seq", GOB_INT, false, offsetof(struct changed, seq)},
                                  text_field = {"Text", GOB_STRING, false, offsetof(struct changed, text)},
                                  urgent_field = {"Urgent", GOB_BOOL, false, offsetof(struct changed, urgent)},
                                  number_field = {"Seq", GOB_FLOAT, false, offsetof(struct changed, number)};
    static struct gob_field lists[CHANGES][3];
    static struct gob_type types[CHANGES];
    memcpy(lists[ADDED], (struct gob_field[]){seq_field, text_field, urgent_field}, 3 * sizeof(struct gob_field));
    memcpy(lists[SWAPPED], (struct gob_field[]){text_field, seq_field}, 2 * sizeof(struct gob_field));
    memcpy(lists[RETYPED], (struct gob_field[]){number_field, text_field}, 2 * sizeof(struct gob_field));
    types[change] = (struct gob_type){"Message", sizeof value, lists[change], change == ADDED ? 3 : 2};
    long n = gob_encode(&out->out, &types[change], &value, bytes, 128);
    if (n == -1)
        fail(out->out.error);
    return (size_t)n;
}

static size_t changed(const struct format *format, struct stream *out, enum change change, int seq, char *bytes)
{
    return format->encode == line_encode     ? changed_line(change, seq, bytes)
           : format->encode == length_encode ? changed_length(change, seq, bytes)
           : format->encode == memory_encode ? changed_memory(change, seq, bytes)
           : format->encode == json_encode   ? changed_json(change, seq, bytes)
                                             : changed_gob(out, change, seq, bytes);
}

// What a receiver that has not changed makes of two messages.
static const char *outcome(const struct format *format, enum change change)
{
    char bytes[512];
    struct stream *out = stream_new(), *in = stream_new();
    size_t n = changed(format, out, change, 1, bytes);
    n += changed(format, out, change, 2, bytes + n);
    in->bytes = bytes;
    in->end = n;
    struct message message;
    int got, count = 0;
    bool is_right = true;
    while ((got = format->decode(in, &message)) == 1) {
        count++;
        is_right = is_right && message.seq == count && message.text.len == text.len &&
                   memcmp(message.text.data, text.data, text.len) == 0;
    }
    stream_free(out);
    stream_free(in);
    return !is_right ? "wrong values" : got == -1 ? "refused" : count == 2 ? "understood" : "wrong values";
}

static void print_changes(void)
{
    for (size_t i = 0; i < FORMATS; i++)
        printf("%s: %s, %s, %s\n", formats[i].name, outcome(&formats[i], ADDED), outcome(&formats[i], SWAPPED),
               outcome(&formats[i], RETYPED));
}

// -- JSON, for another program to compare ---------------------------------------------------------------------------------

static void write_json(void)
{
    static char line[1 << 17], from[1 << 16], to[(1 << 19) + 50];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *at;
        int64_t seq = strtoll(line, &at, 10);
        size_t n = 0;
        for (unsigned byte; sscanf(at + 1 + 2 * n, "%2x", &byte) == 1;)
            from[n++] = (char)byte;
        fwrite(to, 1, (size_t)json_write(seq, from, n, to, sizeof to), stdout);
    }
}

static void read_json(void)
{
    static char line[1 << 17], to[1 << 17];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t seq;
        size_t n;
        if (json_read(line, strcspn(line, "\n"), &seq, to, &n) == -1) {
            puts("refused");
            continue;
        }
        printf("%" PRId64 " ", seq);
        for (size_t i = 0; i < n; i++)
            printf("%02x", (unsigned char)to[i]);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < FORMATS && argc == 5; i++)
        if (strcmp(what, "time") == 0 && strcmp(argv[2], formats[i].name) == 0) {
            time_format(&formats[i], strcmp(argv[3], "encode") == 0, atol(argv[4]));
            return 0;
        }
    if (strcmp(what, "size") == 0)
        print_sizes();
    else if (strcmp(what, "change") == 0)
        print_changes();
    else if (strcmp(what, "write") == 0)
        write_json();
    else if (strcmp(what, "read") == 0)
        read_json();
    else
        return 2;
}
