// The codec of scenario 20 on the command line. One line of standard output for each line that tests/test_gob.py asks for.
//
//     gob_check streams TYPE CHUNKS   each line of standard input is a stream, in hex; its values as JSON, and how it ends.
//                                     CHUNKS: all, or the most bytes that come at once, or -SEED (random)
//     gob_check describe TYPE         the same, with the descriptions
//     gob_check samples [zero]        for each type its name and a stream with one value
//     gob_check random SEED COUNT     a stream of COUNT values of All, and then each of them as JSON
//     gob_check golden                one stream of Msg, message by message; one of All
//     gob_check shared                a stream with a value of each of two types that have []int
//     gob_check refused               what the encoder refuses, and why
//     gob_check rooms                 the encoder with too little room, byte by byte
//
// JSON here: text and bytes are hex, floats are the hex of their 64 bits.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../scenarios/20-gob-stream/gob/gob.h"

// A judge of memory shall also see a read behind what was received, though the decoder has memory there.
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif
#if defined(WITH_ASAN) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(bytes, n) __asan_poison_memory_region(bytes, n)
#define SHOW(bytes, n) __asan_unpoison_memory_region(bytes, n)
#else
#define HIDE(bytes, n) ((void)(bytes), (void)(n))
#define SHOW(bytes, n) ((void)(bytes), (void)(n))
#endif

#define CHECK(condition, ...)                                                                                          \
    ((condition) ? (void)0 : (printf("line %d: " #condition ": ", __LINE__), printf(__VA_ARGS__), puts(""), exit(1)))

// One struct is enough: a gob_type says which of its members are fields, and how they are called.
struct all {
    bool yes;
    int64_t whole;
    uint64_t natural;
    double real;
    struct gob_bytes bytes, text;
    struct gob_slice yeses, wholes, naturals, reals, byteses, texts;
};

#define YES(name)                                                                                                      \
    {                                                                                                                  \
        name, GOB_BOOL, false, offsetof(struct all, yes)                                                               \
    }
#define WHOLE(name)                                                                                                    \
    {                                                                                                                  \
        name, GOB_INT, false, offsetof(struct all, whole)                                                              \
    }
#define NATURAL(name)                                                                                                  \
    {                                                                                                                  \
        name, GOB_UINT, false, offsetof(struct all, natural)                                                           \
    }
#define REAL(name)                                                                                                     \
    {                                                                                                                  \
        name, GOB_FLOAT, false, offsetof(struct all, real)                                                             \
    }
#define BYTES(name)                                                                                                    \
    {                                                                                                                  \
        name, GOB_BYTES, false, offsetof(struct all, bytes)                                                            \
    }
#define TEXT(name)                                                                                                     \
    {                                                                                                                  \
        name, GOB_STRING, false, offsetof(struct all, text)                                                            \
    }
#define YESES(name)                                                                                                    \
    {                                                                                                                  \
        name, GOB_BOOL, true, offsetof(struct all, yeses)                                                              \
    }
#define WHOLES(name)                                                                                                   \
    {                                                                                                                  \
        name, GOB_INT, true, offsetof(struct all, wholes)                                                              \
    }
#define NATURALS(name)                                                                                                 \
    {                                                                                                                  \
        name, GOB_UINT, true, offsetof(struct all, naturals)                                                           \
    }
#define REALS(name)                                                                                                    \
    {                                                                                                                  \
        name, GOB_FLOAT, true, offsetof(struct all, reals)                                                             \
    }
#define BYTESES(name)                                                                                                  \
    {                                                                                                                  \
        name, GOB_BYTES, true, offsetof(struct all, byteses)                                                           \
    }
#define TEXTS(name)                                                                                                    \
    {                                                                                                                  \
        name, GOB_STRING, true, offsetof(struct all, texts)                                                            \
    }
#define FIELDS(...)                                                                                                    \
    (const struct gob_field[])                                                                                         \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define TYPE(name, count, ...)                                                                                         \
    {                                                                                                                  \
        name, sizeof(struct all), FIELDS(__VA_ARGS__), count                                                           \
    }

static const struct gob_type types[] = {
    TYPE("Msg", 2, WHOLE("Seq"), TEXT("Text")),
    TYPE("All", 12, YES("Yes"), WHOLE("Whole"), NATURAL("Natural"), REAL("Real"), BYTES("Bytes"), TEXT("Text"),
         YESES("Yeses"), WHOLES("Wholes"), NATURALS("Naturals"), REALS("Reals"), BYTESES("Byteses"), TEXTS("Texts")),
    TYPE("Base", 2, WHOLE("A"), TEXT("B")),
    TYPE("Swapped", 2, TEXT("B"), WHOLE("A")),
    TYPE("More", 4, WHOLE("A"), TEXT("B"), REAL("C"), WHOLES("D")),
    TYPE("Between", 4, YESES("Z"), WHOLE("A"), BYTESES("Y"), TEXT("B")),
    TYPE("Fewer", 1, TEXT("B")),
    TYPE("Other", 2, WHOLE("X"), TEXT("Y")),
    {"Empty", sizeof(struct all), NULL, 0},
    TYPE("Yes", 2, YES("A"), TEXT("B")),
    TYPE("Natural", 2, NATURAL("A"), TEXT("B")),
    TYPE("Real", 2, REAL("A"), TEXT("B")),
    TYPE("Bytes", 2, BYTES("A"), TEXT("B")),
    {"Text", sizeof(struct all), FIELDS({"A", GOB_STRING, false, offsetof(struct all, bytes)}, TEXT("B")), 2},
    TYPE("Yeses", 2, YESES("A"), TEXT("B")),
    TYPE("Wholes", 2, WHOLES("A"), TEXT("B")),
    TYPE("Naturals", 2, NATURALS("A"), TEXT("B")),
    TYPE("Reals", 2, REALS("A"), TEXT("B")),
    TYPE("Byteses", 2, BYTESES("A"), TEXT("B")),
    TYPE("Texts", 2, TEXTS("A"), TEXT("B")),
};
enum { TYPES = sizeof types / sizeof types[0], STREAM_MAX = 1 << 20 };

static const struct gob_type *type_called(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    exit(2);
}

static void print_hex(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
}

static void print_item(enum gob_kind kind, const void *item)
{
    uint64_t bits;
    switch (kind) {
    case GOB_BOOL:
        printf("%s", *(const bool *)item ? "true" : "false");
        break;
    case GOB_INT:
        printf("%lld", (long long)*(const int64_t *)item);
        break;
    case GOB_UINT:
        printf("%llu", (unsigned long long)*(const uint64_t *)item);
        break;
    case GOB_FLOAT:
        memcpy(&bits, item, sizeof bits);
        printf("\"%016llx\"", (unsigned long long)bits);
        break;
    case GOB_BYTES:
    case GOB_STRING:
        printf("\"");
        print_hex(((const struct gob_bytes *)item)->data, ((const struct gob_bytes *)item)->len);
        printf("\"");
        break;
    }
}

static size_t size_of(enum gob_kind kind)
{
    return kind == GOB_BOOL ? sizeof(bool) : kind >= GOB_BYTES ? sizeof(struct gob_bytes) : sizeof(uint64_t);
}

static void print_value(const struct gob_type *type, const struct all *value)
{
    printf("{");
    for (size_t i = 0; i < type->count; i++) {
        const struct gob_field *field = &type->fields[i];
        const void *member = (const char *)value + field->offset;
        printf("%s\"%s\":", i > 0 ? "," : "", field->name);
        if (!field->slice) {
            print_item(field->kind, member);
            continue;
        }
        const struct gob_slice *slice = member;
        printf("[");
        for (size_t j = 0; j < slice->count; j++) {
            printf("%s", j > 0 ? "," : "");
            print_item(field->kind, (const char *)slice->items + j * size_of(field->kind));
        }
        printf("]");
    }
    printf("}");
}

static void print_described(const struct gob_decoder *in)
{
    const struct gob_described *described = &in->types[in->described - 1];
    char name[GOB_NAME_MAX + 8];
    printf("%s=%lld", described->name, (long long)described->id);
    if (described->is_slice)
        printf("[%s]", gob_type_name(in, described->elem, name));
    else
        printf("(");
    for (size_t i = 0; i < described->count; i++)
        printf("%s%s:%s", i > 0 ? "," : "", described->fields[i].name,
               gob_type_name(in, described->fields[i].id, name));
    printf(described->is_slice ? " " : ") ");
}

// -- decode -------------------------------------------------------------------------------------------------------------

static size_t chunk(long chunks, size_t left)
{
    size_t n = chunks > 0 ? (size_t)chunks : 1 + (size_t)rand() % (rand() % 3 > 0 ? 20 : 100000);
    return n < left ? n : left;
}

static void decode(const struct gob_type *type, const char *stream, size_t n, long chunks, bool describe)
{
    struct gob_decoder *in = malloc(sizeof *in);
    gob_decoder_open(in);
    struct all value;
    for (size_t done = 0;;) {
        size_t behind;
        char *rest = gob_space(in, &behind);
        HIDE(rest, behind);
        int result = gob_next(in, type, &value);
        SHOW(rest, behind);
        if (result == 1) {
            print_value(type, &value);
            printf(" ");
        } else if (result == 2 && describe) {
            print_described(in);
        } else if (result == -1) {
            printf("refused: %s\n", in->error);
            CHECK(gob_next(in, type, &value) == -1, "an error that does not stay");
            break;
        } else if (result == 0 && done == n) {
            if (gob_unfinished(in) > 0)
                printf("unfinished: %zu\n", gob_unfinished(in));
            else
                printf("end\n");
            break;
        } else if (result == 0) {
            size_t room, some = chunk(chunks, n - done);
            char *space = gob_space(in, &room);
            CHECK(room > 0, "%zu of %zu bytes", done, n);
            some = some < room ? some : room;
            memcpy(space, stream + done, some);
            gob_received(in, some);
            done += some;
        }
    }
    free(in);
}

static void decode_lines(const struct gob_type *type, long chunks, bool describe)
{
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        size_t n = (size_t)length / 2;
        char *stream = malloc(n + 1);
        for (size_t i = 0; i < n; i++)
            stream[i] = (char)strtoul((char[]){line[2 * i], line[2 * i + 1], 0}, NULL, 16);
        decode(type, stream, n, chunks, describe);
        free(stream);
    }
    free(line);
}

// -- encode -------------------------------------------------------------------------------------------------------------

static struct gob_bytes text(const char *words)
{
    return (struct gob_bytes){words, strlen(words)};
}

static struct all sample(void)
{
    static const bool yeses[] = {true, false};
    static const int64_t wholes[] = {-5, 0};
    static const uint64_t naturals[] = {300, 0};
    static const double reals[] = {1.5, 0};
    static struct gob_bytes texts[2];
    texts[0] = text("xy");
    return (struct all){true,       -5,          300,           1.5,        text("xy"), text("b"),
                        {yeses, 2}, {wholes, 2}, {naturals, 2}, {reals, 2}, {texts, 2}, {texts, 2}};
}

static void print_samples(bool zero)
{
    for (size_t i = 0; i < TYPES; i++) {
        struct gob_encoder out = {0};
        struct all value = zero ? (struct all){0} : sample();
        char stream[4096];
        long n = gob_encode(&out, &types[i], &value, stream, sizeof stream);
        CHECK(n > 0, "%s", out.error);
        printf("%s ", types[i].name);
        print_hex(stream, (size_t)n);
        puts("");
    }
}

static uint64_t random_bits(void)
{
    uint64_t bits = 0;
    for (int i = 0; i < 5; i++)
        bits = bits << 15 ^ (uint64_t)rand();
    return bits >> rand() % 64;
}

static struct gob_bytes random_text(void)
{
    static char bytes[400];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)rand();
    return (struct gob_bytes){bytes + rand() % 100, (size_t)(rand() % 4 > 0 ? rand() % 5 : rand() % 300)};
}

static double random_real(void)
{
    uint64_t bits = random_bits() << rand() % 64;
    double real;
    memcpy(&real, &bits, sizeof real);
    return rand() % 4 == 0 ? 0 : rand() % 2 ? (double)(rand() % 1000) : real;
}

// The texts of one value are the same bytes; only the lengths and where they begin differ.
static struct all random_value(void)
{
    enum { MOST = 200 };
    static bool yeses[MOST];
    static int64_t wholes[MOST];
    static uint64_t naturals[MOST];
    static double reals[MOST];
    static struct gob_bytes byteses[MOST], texts[MOST];
    for (int i = 0; i < MOST; i++) {
        yeses[i] = rand() % 2;
        wholes[i] = (int64_t)random_bits();
        naturals[i] = random_bits();
        reals[i] = random_real();
        byteses[i] = random_text();
        texts[i] = random_text();
    }
    size_t counts[6];
    for (int i = 0; i < 6; i++)
        counts[i] = (size_t)(rand() % 3 == 0 ? 0 : rand() % 4 > 0 ? rand() % 4 : rand() % MOST);
    struct all value = {
        .yes = rand() % 2,
        .whole = rand() % 3 ? (int64_t)random_bits() : 0,
        .natural = rand() % 3 ? random_bits() : 0,
        .real = random_real(),
        .bytes = random_text(),
        .text = random_text(),
        .yeses = {yeses, counts[0]},
        .wholes = {wholes, counts[1]},
        .naturals = {naturals, counts[2]},
        .reals = {reals, counts[3]},
        .byteses = {byteses, counts[4]},
        .texts = {texts, counts[5]},
    };
    value.real += 0.0; // no -0.0, which would not be sent
    return value;
}

static void print_random(unsigned seed, int count)
{
    const struct gob_type *type = type_called("All");
    static char stream[STREAM_MAX];
    size_t n = 0;
    struct gob_encoder out = {0};
    for (int pass = 0; pass < 2; pass++) {
        srand(seed);
        for (int i = 0; i < count; i++) {
            struct all value = random_value();
            if (pass == 1) {
                print_value(type, &value);
                puts("");
                continue;
            }
            long got = gob_encode(&out, type, &value, stream + n, sizeof stream - n);
            CHECK(got > 0, "%s", out.error);
            n += (size_t)got;
        }
        if (pass == 0) {
            print_hex(stream, n);
            puts("");
        }
    }
}

static void print_golden(void)
{
    static char letters[200];
    memset(letters, 'a', sizeof letters);
    const struct all values[] = {
        {.whole = 1, .text = text("hi")},
        {.whole = 2, .text = text("hello")},
        {.whole = 0},
        {.text = text("x")},
        {.whole = 3},
        {.whole = -1, .text = text("neg")},
        {.whole = 64, .text = text("a")},
        {.whole = (int64_t)1 << 40, .text = text("\303\251")},
        {.whole = 7, .text = {letters, sizeof letters}},
        {.whole = INT64_MIN},
        {.whole = INT64_MAX},
    };
    struct gob_encoder out = {0};
    char stream[4096];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        long n = gob_encode(&out, type_called("Msg"), &values[i], stream, sizeof stream);
        CHECK(n > 0, "%s", out.error);
        print_hex(stream, (size_t)n);
        puts("");
    }
    const struct all numbers = {
        .real = -0.0,
        .yeses = {(bool[]){false, true}, 2},
        .wholes = {(int64_t[]){0, 1, -1, 63, 64, -65, 1000000, (int64_t)1 << 40, INT64_MIN, INT64_MAX}, 10},
        .naturals = {(uint64_t[]){0, 7, 127, 128, 256, UINT64_MAX}, 6},
        .reals = {(double[]){1.5, 17, 0, -0.0}, 4},
        .byteses = {(struct gob_bytes[]){{"\0\377", 2}, {NULL, 0}}, 2},
    };
    struct gob_encoder other = {0};
    long n = gob_encode(&other, type_called("All"), &numbers, stream, sizeof stream);
    CHECK(n > 0, "%s", other.error);
    print_hex(stream, (size_t)n);
    puts("");
}

// Two types with a field of the same slice, in one stream.
static void print_shared(void)
{
    struct gob_encoder out = {0};
    struct all value = sample();
    char stream[4096];
    long n = gob_encode(&out, type_called("Wholes"), &value, stream, sizeof stream);
    CHECK(n > 0, "%s", out.error);
    long more = gob_encode(&out, type_called("More"), &value, stream + n, sizeof stream - (size_t)n);
    CHECK(more > 0, "%s", out.error);
    print_hex(stream, (size_t)(n + more));
    puts("");
}

// -- what the encoder refuses -------------------------------------------------------------------------------------------

static char buffer[2 * GOB_MESSAGE_MAX];

static void refuse(struct gob_encoder *out, const struct gob_type *type, const struct all *value, size_t size)
{
    struct gob_encoder before = *out;
    CHECK(gob_encode(out, type, value, buffer, size) == -1, "not refused");
    CHECK(out->types == before.types, "the encoder is not as before");
    puts(out->error);
}

static void print_refused(void)
{
    struct gob_encoder out = {0};
    struct all value = sample();
    const size_t size = sizeof buffer;
    refuse(&out, &(struct gob_type)TYPE("Lower", 1, WHOLE("seq")), &value, size);
    refuse(&out, &(struct gob_type)TYPE("Lower", 1, WHOLE("_Seq")), &value, size);
    refuse(&out, &(struct gob_type)TYPE("Nameless", 1, WHOLE("")), &value, size);
    refuse(&out, &(struct gob_type)TYPE("Twice", 2, WHOLE("A"), WHOLE("A")), &value, size);
    refuse(&out, &(struct gob_type)TYPE("Kind", 1, {"A", (enum gob_kind)7, false, 0}), &value, size);

    char name[GOB_NAME_MAX + 2] = {0};
    memset(name, 'A', GOB_NAME_MAX + 1);
    refuse(&out, &(struct gob_type)TYPE("Long", 1, WHOLE(name)), &value, size);
    refuse(&out, &(struct gob_type){name, sizeof(struct all), NULL, 0}, &value, size);
    name[GOB_NAME_MAX] = '\0';
    CHECK(gob_encode(&(struct gob_encoder){0}, &(struct gob_type)TYPE(name, 1, WHOLE(name)), &value, buffer, size) > 0,
          "63 bytes");

    struct gob_field fields[GOB_FIELDS_MAX + 1];
    char names[GOB_FIELDS_MAX + 1][2];
    for (size_t i = 0; i <= GOB_FIELDS_MAX; i++) {
        memcpy(names[i], (char[]){(char)('A' + i), '\0'}, 2);
        fields[i] = (struct gob_field)WHOLE(names[i]);
    }
    struct gob_type wide = {"Wide", sizeof(struct all), fields, GOB_FIELDS_MAX + 1};
    refuse(&out, &wide, &value, size);
    wide.count--;
    CHECK(gob_encode(&(struct gob_encoder){0}, &wide, &value, buffer, size) > 0, "16 fields");

    static bool many[GOB_ITEMS_MAX + 1];
    value.yeses = (struct gob_slice){many, GOB_ITEMS_MAX - 9};
    refuse(&out, type_called("All"), &value, size);
    value.yeses.count--;
    CHECK(gob_encode(&(struct gob_encoder){0}, type_called("All"), &value, buffer, size) > 0, "4096 elements");

    static char letters[GOB_MESSAGE_MAX];
    value.text =
        (struct gob_bytes){letters, GOB_MESSAGE_MAX - 8}; // id 2, Whole 1 + 1, Text 1 + 3 and the letters, end 1
    refuse(&out, type_called("Base"), &value, size);
    value.text.len--;
    CHECK(gob_encode(&(struct gob_encoder){0}, type_called("Base"), &value, buffer, size) == 31 + 4 + 65536,
          "65536 bytes");
    value.text.len = SIZE_MAX;
    refuse(&out, type_called("Base"), &value, size);
    value.text.len = 1;

    struct gob_type alike[GOB_TYPES_MAX];
    for (size_t i = 0; i < GOB_TYPES_MAX; i++) {
        alike[i] = *type_called("Base");
        if (i < GOB_TYPES_MAX - 1)
            CHECK(gob_encode(&out, &alike[i], &value, buffer, size) > 0, "%s", out.error);
    }
    refuse(&out, type_called("Wholes"), &value, size); // needs two: itself, and []int
    CHECK(gob_encode(&out, &alike[GOB_TYPES_MAX - 1], &value, buffer, size) > 0, "%s", out.error);
    refuse(&out, type_called("Fewer"), &value, size);
    CHECK(gob_encode(&out, &alike[0], &value, buffer, size) > 0, "%s", out.error);
}

// Whatever the room, nothing is written behind it, and the encoder can go on.
static void check_rooms(void)
{
    static char letters[300];
    struct all value = sample();
    value.text = (struct gob_bytes){letters, sizeof letters};
    struct gob_encoder whole = {0}, out = {0};
    char all[4096];
    size_t n = (size_t)gob_encode(&whole, type_called("All"), &value, all, sizeof all);
    for (size_t size = 0; size <= n; size++) {
        char *room = malloc(size + 1);
        room[size] = 'X';
        long got = gob_encode(&out, type_called("All"), &value, room, size);
        CHECK(room[size] == 'X', "written behind %zu bytes", size);
        CHECK(got == (size < n ? -1 : (long)n), "%ld with room for %zu", got, size);
        CHECK(size < n || memcmp(room, all, n) == 0, "other bytes");
        CHECK(size == n || strcmp(out.error, "type All: no room") == 0, "%s", out.error);
        free(room);
    }
    printf("%zu\n", n);
}

int main(int argc, char **argv)
{
    const char *check = argc > 1 ? argv[1] : "";
    if (strcmp(check, "streams") == 0 && argc == 4) {
        long chunks = strcmp(argv[3], "all") == 0 ? STREAM_MAX : atol(argv[3]);
        srand((unsigned)-chunks);
        decode_lines(type_called(argv[2]), chunks, false);
    } else if (strcmp(check, "describe") == 0 && argc == 3)
        decode_lines(type_called(argv[2]), 1, true);
    else if (strcmp(check, "samples") == 0)
        print_samples(argc > 2);
    else if (strcmp(check, "random") == 0 && argc == 4)
        print_random((unsigned)atoi(argv[2]), atoi(argv[3]));
    else if (strcmp(check, "golden") == 0)
        print_golden();
    else if (strcmp(check, "shared") == 0)
        print_shared();
    else if (strcmp(check, "refused") == 0)
        print_refused();
    else if (strcmp(check, "rooms") == 0)
        check_rooms();
    else
        return 2;
}
