// links: scenarios/20-gob-stream/gob/gob.c
//
// Is there a stream of bytes that gob.c should fear? Any bytes are decoded, into each of three types: in one piece, and in
// many. Both must tell the same. Each value that comes out is encoded and decoded again, and must not have changed.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../scenarios/20-gob-stream/gob/gob.h"

// ASan shall also see a read behind what was received, though the decoder has memory there.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define HIDE(bytes, n) __asan_poison_memory_region(bytes, n)
#define SHOW(bytes, n) __asan_unpoison_memory_region(bytes, n)
#endif
#endif
#ifndef HIDE
#define HIDE(bytes, n) ((void)(bytes), (void)(n))
#define SHOW(bytes, n) ((void)(bytes), (void)(n))
#endif

#define MUST(condition) ((condition) ? (void)0 : (fprintf(stderr, "line %d: " #condition "\n", __LINE__), abort()))

struct all {
    bool yes;
    int64_t whole;
    uint64_t natural;
    double real;
    struct gob_bytes bytes, text;
    struct gob_slice yeses, wholes, naturals, reals, byteses, texts;
};

#define FIELD(name, kind, slice, member)                                                                               \
    {                                                                                                                  \
        name, kind, slice, offsetof(struct all, member)                                                                \
    }

static const struct gob_field all_fields[] = {
    FIELD("Yes", GOB_BOOL, false, yes),          FIELD("Whole", GOB_INT, false, whole),
    FIELD("Natural", GOB_UINT, false, natural),  FIELD("Real", GOB_FLOAT, false, real),
    FIELD("Bytes", GOB_BYTES, false, bytes),     FIELD("Text", GOB_STRING, false, text),
    FIELD("Yeses", GOB_BOOL, true, yeses),       FIELD("Wholes", GOB_INT, true, wholes),
    FIELD("Naturals", GOB_UINT, true, naturals), FIELD("Reals", GOB_FLOAT, true, reals),
    FIELD("Byteses", GOB_BYTES, true, byteses),  FIELD("Texts", GOB_STRING, true, texts),
};
static const struct gob_field message_fields[] = {
    FIELD("Seq", GOB_INT, false, whole),
    FIELD("Text", GOB_STRING, false, text),
};
static const struct gob_field few_fields[] = {
    FIELD("Texts", GOB_STRING, true, texts),
    FIELD("Whole", GOB_INT, false, whole),
};
static const struct gob_type types[] = {
    {"Msg", sizeof(struct all), message_fields, 2},
    {"All", sizeof(struct all), all_fields, 12},
    {"Few", sizeof(struct all), few_fields, 2},
};

// What a stream has told, as bytes: results, values encoded again, the error, how much is unfinished.
struct told {
    char bytes[1 << 20];
    size_t n;
};

static void tell(struct told *told, const void *bytes, size_t n)
{
    MUST(n <= sizeof told->bytes - told->n);
    memcpy(told->bytes + told->n, bytes, n);
    told->n += n;
}

// Encodes the value, decodes that, encodes it again: the same bytes twice. They are told.
static void encode_twice(struct told *told, const struct gob_type *type, const struct all *value)
{
    static char first[2 * GOB_MESSAGE_MAX], second[2 * GOB_MESSAGE_MAX];
    static struct gob_decoder in;
    struct gob_encoder out = {0}, again = {0};
    long n = gob_encode(&out, type, value, first, sizeof first);
    MUST(n > 0);
    struct all copy;
    int result = 0;
    gob_decoder_open(&in);
    for (long done = 0; result != 1;) {
        result = gob_next(&in, type, &copy);
        MUST(result >= 0);
        size_t room, rest = (size_t)(n - done);
        char *space = gob_space(&in, &room);
        if (result != 0)
            continue;
        MUST(rest > 0);
        rest = rest < room ? rest : room;
        memcpy(space, first + done, rest);
        gob_received(&in, rest);
        done += (long)rest;
    }
    MUST(gob_unfinished(&in) == 0);
    MUST(gob_encode(&again, type, &copy, second, sizeof second) == n);
    MUST(memcmp(first, second, (size_t)n) == 0);
    tell(told, first, (size_t)n);
}

// pieces: the bytes come a few at a time, by their own values; else as many as there is room for.
static void decode(struct told *told, const struct gob_type *type, const uint8_t *data, size_t size, bool pieces)
{
    static struct gob_decoder in;
    gob_decoder_open(&in);
    told->n = 0;
    for (;;) {
        struct all value;
        size_t behind;
        char *rest = gob_space(&in, &behind);
        behind = behind < 256 ? behind : 256; // to hide all of it costs more than to decode
        HIDE(rest, behind);
        int result = gob_next(&in, type, &value);
        SHOW(rest, behind);
        if (result == 1)
            encode_twice(told, type, &value);
        if (result == 2) {
            char name[GOB_NAME_MAX + 8];
            const struct gob_described *described = &in.types[in.described - 1];
            gob_type_name(&in, described->id, name);
            tell(told, name, strlen(name));
            MUST(described->count <= GOB_FIELDS_MAX && in.described <= GOB_TYPES_MAX);
        }
        if (result == -1) {
            MUST(in.error[0] != '\0' && strlen(in.error) < GOB_ERROR_SIZE);
            tell(told, in.error, strlen(in.error));
            char before[GOB_ERROR_SIZE];
            strcpy(before, in.error);
            MUST(gob_next(&in, type, &value) == -1 && strcmp(before, in.error) == 0);
            return;
        }
        if (result != 0)
            continue;
        size_t room, n = pieces && size > 0 ? 1 + (data[0] ^ size) % 7 : size;
        char *space = gob_space(&in, &room);
        MUST(room > 0);
        n = n < size ? n : size;
        n = n < room ? n : room;
        if (n == 0)
            break;
        memcpy(space, data, n);
        gob_received(&in, n);
        data += n;
        size -= n;
    }
    size_t unfinished = gob_unfinished(&in);
    tell(told, &unfinished, sizeof unfinished);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct told once, often;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        decode(&once, &types[i], data, size, false);
        decode(&often, &types[i], data, size, true);
        MUST(once.n == often.n && memcmp(once.bytes, often.bytes, once.n) == 0);
    }
    return 0;
}
