// gob.c: Go's encoding/gob. The file goes the way that the format is built: numbers, values, structs, descriptions, messages;
// in each part first how it is written, then how it is read.
//
// What is read was written by somebody else, so nothing in it is believed: a length, a count, or a number is compared with
// what is really there before it is used. Each loop takes at least one byte of the message each time, and the length of a
// message is limited. So the time and the memory that a message can cost are limited, too, whatever its bytes say.
#include "gob.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_ID = 65,     // Go gives out ids from here; where we read, any from LEAST_ID on is good
    LEAST_ID = 64,     // smaller ones are built in: the kinds, and the types of which descriptions are made
    INTERFACE = 8,     // the last of the kinds that Go has
    LENGTH_MAX = 9,    // bytes of the longest number
    MINUS_ZERO = 0x80, // -0.0, as a number
};

// Bytes that are being written, and whether there was too little room for them.
struct output {
    char *at, *end;
    bool full;
};

// Bytes that are being read: the rest of one message. wrong: why the last get_... returned false.
struct input {
    const unsigned char *at, *end;
    const char *wrong;
};

static const char cut_off[] = "the message ends within a number";

static size_t left(const struct input *from)
{
    return (size_t)(from->end - from->at);
}

// Puts the words into error and returns -1. Names come from the stream, so control characters are not shown.
static int fail(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, GOB_ERROR_SIZE, format, arguments);
    va_end(arguments);
    for (char *c = error; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return -1;
}

static bool wrong(struct input *from, const char *words)
{
    from->wrong = words;
    return false;
}

// -- numbers ------------------------------------------------------------------------------------------------------------

// Below 128, a number is one byte. Else a first byte says how many follow, negated (ff: one, fe: two, ... f8: eight), and
// they follow with the most significant one first: 7 is 07, 128 is ff 80, 256 is fe 01 00.
static inline void put_uint(struct output *to, uint64_t u)
{
    size_t n = 0; // how many bytes follow the first one
    if (u >= 128)
        for (uint64_t rest = u; rest > 0; rest >>= 8)
            n++;
    if (n >= (size_t)(to->end - to->at)) {
        to->full = true;
        return;
    }
    *to->at++ = (char)(n == 0 ? u : 256 - n);
    while (n > 0)
        *to->at++ = (char)(u >> 8 * --n);
}

static inline bool get_uint(struct input *from, uint64_t *u)
{
    if (from->at == from->end)
        return wrong(from, cut_off);
    unsigned first = *from->at++;
    *u = first;
    if (first < 128)
        return true;
    size_t n = 256 - first;
    if (n > sizeof *u)
        return wrong(from, "a number of more than 8 bytes");
    if (n > left(from))
        return wrong(from, cut_off);
    for (*u = 0; n > 0; n--)
        *u = *u << 8 | *from->at++;
    return true;
}

// A signed number becomes an unsigned one whose last bit says "complement the rest": 0, -1, 1, -2 are 0, 1, 2, 3. So small
// ones stay short, whatever their sign.
static uint64_t from_int(int64_t i)
{
    return i < 0 ? ~(uint64_t)i << 1 | 1 : (uint64_t)i << 1;
}

static int64_t to_int(uint64_t u)
{
    int64_t half = (int64_t)(u >> 1);
    return u & 1 ? ~half : half;
}

static bool get_int(struct input *from, int64_t *i)
{
    uint64_t u;
    if (!get_uint(from, &u))
        return false;
    *i = to_int(u);
    return true;
}

// A float is its 64 bits (IEEE 754), as a number. The bytes are reversed, since those at the end are often zeros and would
// be the first ones: 1.5 is fe f8 3f.
static uint64_t reversed(uint64_t u)
{
    u = (u & 0x00ff00ff00ff00ff) << 8 | (u >> 8 & 0x00ff00ff00ff00ff);
    u = (u & 0x0000ffff0000ffff) << 16 | (u >> 16 & 0x0000ffff0000ffff);
    return u << 32 | u >> 32;
}

static uint64_t from_float(double f)
{
    uint64_t bits;
    memcpy(&bits, &f, sizeof bits);
    return reversed(bits);
}

static double to_float(uint64_t u)
{
    double f;
    uint64_t bits = reversed(u);
    memcpy(&f, &bits, sizeof f);
    return f;
}

// -- values -------------------------------------------------------------------------------------------------------------

// A bool is the number 0 or 1. A string, or bytes, is sent as its length in bytes, and then the bytes. A slice is sent as its
// count, and then its elements. The kind is not sent, because the description has it.

// All about each kind. The index is its number, and its id on the wire. The last two are not supported.
static const struct {
    const char *name;
    size_t size;           // of an element in C
    struct gob_type slice; // a slice of them, which is a type of its own
} kinds[] = {
    [GOB_BOOL] = {"bool", sizeof(bool), {.name = "[]bool"}},
    [GOB_INT] = {"int", sizeof(int64_t), {.name = "[]int"}},
    [GOB_UINT] = {"uint", sizeof(uint64_t), {.name = "[]uint"}},
    [GOB_FLOAT] = {"float64", sizeof(double), {.name = "[]float64"}},
    [GOB_BYTES] = {"[]byte", sizeof(struct gob_bytes), {.name = "[][]uint8"}},
    [GOB_STRING] = {"string", sizeof(struct gob_bytes), {.name = "[]string"}},
    [7] = {.name = "complex"},
    [INTERFACE] = {.name = "interface"},
};

static bool is_kind(int64_t id)
{
    return id >= GOB_BOOL && id <= GOB_STRING;
}

// Returns the number that a value is, or with which it begins: the length of a string or of bytes.
static inline uint64_t number_of(enum gob_kind kind, const void *item)
{
    switch (kind) {
    case GOB_BOOL:
        return *(const bool *)item;
    case GOB_INT:
        return from_int(*(const int64_t *)item);
    case GOB_UINT:
        return *(const uint64_t *)item;
    case GOB_FLOAT:
        return from_float(*(const double *)item);
    default:
        return ((const struct gob_bytes *)item)->len;
    }
}

static void put_text(struct output *to, const char *data, size_t len)
{
    put_uint(to, len);
    to->full = to->full || len > (size_t)(to->end - to->at);
    if (to->full || len == 0)
        return;
    memcpy(to->at, data, len);
    to->at += len;
}

static inline void put_item(struct output *to, enum gob_kind kind, const void *item)
{
    uint64_t u = number_of(kind, item);
    if (kind < GOB_BYTES)
        put_uint(to, u);
    else
        put_text(to, ((const struct gob_bytes *)item)->data, (size_t)u);
}

static void put_slice(struct output *to, enum gob_kind kind, const struct gob_slice *slice)
{
    put_uint(to, slice->count);
    const char *item = slice->items;
    for (size_t i = 0; i < slice->count && !to->full; i++, item += kinds[kind].size)
        put_item(to, kind, item);
}

static inline bool get_item(struct input *from, enum gob_kind kind, void *item)
{
    uint64_t u;
    if (!get_uint(from, &u))
        return false;
    switch (kind) {
    case GOB_BOOL:
        *(bool *)item = u != 0;
        return true;
    case GOB_INT:
        *(int64_t *)item = to_int(u);
        return true;
    case GOB_UINT:
        *(uint64_t *)item = u;
        return true;
    case GOB_FLOAT:
        *(double *)item = to_float(u);
        return true;
    default:
        if (u > left(from))
            return wrong(from, "longer than the rest of its message");
        *(struct gob_bytes *)item = (struct gob_bytes){(const char *)from->at, (size_t)u};
        from->at += u;
        return true;
    }
}

static bool get_count(struct input *from, uint64_t *count)
{
    return get_uint(from, count) && (*count <= left(from) || wrong(from, "more elements than the message has bytes"));
}

// The elements go to in->items, one after the other. Each slice gets room for its elements, each as large as the largest kind.
static bool get_slice(struct gob_decoder *in, struct input *from, enum gob_kind kind, struct gob_slice *slice)
{
    uint64_t count;
    if (!get_count(from, &count))
        return false;
    if (count > GOB_ITEMS_MAX - in->used)
        return wrong(from, "too many elements in the slices of one value (at most 4096)");
    char *item = (char *)(in->items + in->used);
    *slice = (struct gob_slice){item, (size_t)count};
    in->used += (size_t)count;
    for (; count > 0; count--, item += kinds[kind].size)
        if (!get_item(from, kind, item))
            return false;
    return true;
}

// Skips a value that nobody wants. It has to be well formed all the same.
static bool skip(struct input *from, enum gob_kind kind, bool slice)
{
    uint64_t number, count = 1;
    struct gob_bytes text;
    if (slice && !get_count(from, &count))
        return false;
    for (; count > 0; count--)
        if (!(kind < GOB_BYTES ? get_uint(from, &number) : get_item(from, kind, &text)))
            return false;
    return true;
}

// -- structs ------------------------------------------------------------------------------------------------------------

// A struct is its fields, in order: how many numbers further this field is than the last one, then its value. Fields are
// numbered from 0, and the count begins at -1. Zero values are left out; a 0, where a field would be, is the end. So with
// {Seq int; Text string}, {1, "hi"} is 01 02 01 02 68 69 00, and {0, "x"} is 02 01 78 00.

// Returns how many elements its slices have.
static size_t put_struct(struct output *to, const struct gob_type *type, const void *value)
{
    size_t items = 0, sent = 0; // sent: the number after that of the last field sent
    for (size_t i = 0; i < type->count; i++) {
        const struct gob_field *field = &type->fields[i];
        const void *member = (const char *)value + field->offset;
        uint64_t number = field->slice ? ((const struct gob_slice *)member)->count : number_of(field->kind, member);
        if (number == 0 || (field->kind == GOB_FLOAT && !field->slice && number == MINUS_ZERO))
            continue;
        put_uint(to, i + 1 - sent);
        sent = i + 1;
        if (field->slice) {
            items += (size_t)number;
            put_slice(to, field->kind, member);
        } else {
            put_item(to, field->kind, member);
        }
    }
    put_uint(to, 0);
    return items;
}

// Goes on to the next field of a struct that has count fields. *next is one more than the number of the last field, and 0 at
// the beginning. Returns false at the end, with *next 0, or if something is wrong.
static inline bool get_field(struct input *from, size_t count, size_t *next)
{
    uint64_t delta;
    if (!get_uint(from, &delta))
        return false;
    if (delta > count - *next)
        return wrong(from, "a field that its description does not have");
    *next = delta == 0 ? 0 : *next + (size_t)delta;
    return delta > 0;
}

static int get_struct(struct gob_decoder *in, struct input *from, size_t which, const struct gob_type *type,
                      void *value)
{
    const struct gob_match *match = &in->matches[which];
    const struct gob_described *described = &in->types[which];
    memset(value, 0, type->size);
    in->used = 0;
    size_t next = 0;
    while (get_field(from, described->count, &next)) {
        const struct gob_matched *field = &match->fields[next - 1];
        void *member = field->to == NULL ? NULL : (char *)value + field->to->offset;
        if (!(member == NULL ? skip(from, field->kind, field->slice)
              : field->slice ? get_slice(in, from, field->kind, member)
                             : get_item(from, field->kind, member)))
            return fail(in->error, "field %s: %s", described->fields[next - 1].name, from->wrong);
    }
    return from->wrong == NULL ? 1 : fail(in->error, "type %s: %s", described->name, from->wrong);
}

// -- descriptions -------------------------------------------------------------------------------------------------------

// A description is a struct value, too, of a type that both ends know. In Go:
//
//     type wireType struct { ArrayT, SliceT, StructT, MapT, GobEncoderT, BinaryMarshalerT, TextMarshalerT }   one of them
//     StructT:  struct { Common; Field []struct { Name string; Id int } }
//     SliceT:   struct { Common; Elem int }           the id of its elements' type; []byte is a kind and not described
//     Common:   struct { Name string; Id int }        that all of them begin with
enum { SLICE = 2, STRUCT = 3, DESCRIPTIONS = 7 }; // numbers of wireType's fields, counted from 1

static const char *const refused[DESCRIPTIONS + 1] = {[1] = "an array is not supported",
                                                      [4] = "a map is not supported",
                                                      [5] = "a GobEncoder is not supported",
                                                      [6] = "a BinaryMarshaler is not supported",
                                                      [7] = "a TextMarshaler is not supported"};

// Returns the index of a type among those that the stream has described so far; out->types if it is not among them.
static size_t place(const struct gob_encoder *out, const struct gob_type *type)
{
    size_t i = 0;
    while (i < out->types && out->described[i] != type)
        i++;
    return i;
}

static int64_t id_of(size_t which)
{
    return FIRST_ID + (int64_t)which;
}

static void put_common(struct output *to, const char *name, int64_t id)
{
    if (name[0] != '\0') {
        put_uint(to, 1);
        put_text(to, name, strlen(name));
    }
    put_uint(to, name[0] != '\0' ? 1 : 2);
    put_uint(to, from_int(id));
    put_uint(to, 0);
}

static void put_description(struct output *to, const struct gob_encoder *out, size_t which)
{
    const struct gob_type *type = out->described[which];
    int elem = GOB_STRING; // of what the type is a slice; 0: it is a struct
    while (elem > 0 && type != &kinds[elem].slice)
        elem--;
    put_uint(to, elem > 0 ? SLICE : STRUCT);
    put_uint(to, 1);
    put_common(to, type->name, id_of(which));
    if (elem > 0 || type->count > 0) {
        put_uint(to, 1);
        put_uint(to, elem > 0 ? from_int(elem) : type->count);
    }
    for (size_t i = 0; i < type->count; i++) {
        const struct gob_field *field = &type->fields[i];
        put_common(to, field->name, field->slice ? id_of(place(out, &kinds[field->kind].slice)) : (int64_t)field->kind);
    }
    put_uint(to, 0);
    put_uint(to, 0);
}

static int check_name(struct gob_encoder *out, const char *what, const char *name)
{
    size_t n = strlen(name);
    return n <= GOB_NAME_MAX
               ? 0
               : fail(out->error, "%s %.40s...: a name of %zu bytes (at most %d)", what, name, n, GOB_NAME_MAX);
}

// Checks that a receiver with our limits takes the type, and that Go sees all of it. Returns 0, or -1 and out->error.
static int check_type(struct gob_encoder *out, const struct gob_type *type)
{
    if (check_name(out, "type", type->name) == -1)
        return -1;
    if (type->count > GOB_FIELDS_MAX)
        return fail(out->error, "type %s: %zu fields (at most %d)", type->name, type->count, GOB_FIELDS_MAX);
    for (size_t i = 0; i < type->count; i++) {
        const char *name = type->fields[i].name;
        if (check_name(out, "field", name) == -1)
            return -1;
        if (name[0] == '\0' || name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z'))
            return fail(out->error, "field %s: Go sees only names that begin with a capital letter", name);
        if (!is_kind(type->fields[i].kind))
            return fail(out->error, "field %s: no such kind", name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, type->fields[j].name) == 0)
                return fail(out->error, "type %s: two fields are called %s", type->name, name);
    }
    return 0;
}

static int enter(struct gob_encoder *out, const struct gob_type *type)
{
    if (place(out, type) < out->types)
        return 0;
    if (out->types == GOB_TYPES_MAX)
        return fail(out->error, "type %s: more than %d types", type->name, GOB_TYPES_MAX);
    out->described[out->types++] = type;
    return 0;
}

// Adds the type to those that are described, and then the slices in it, in Go's order. Returns 0, or -1 and out->error.
static int enter_all(struct gob_encoder *out, const struct gob_type *type)
{
    if (check_type(out, type) == -1 || enter(out, type) == -1)
        return -1;
    for (size_t i = 0; i < type->count; i++)
        if (type->fields[i].slice && enter(out, &kinds[type->fields[i].kind].slice) == -1)
            return -1;
    return 0;
}

// Returns the index of the described type with this id; in->described if there is none.
static size_t find(const struct gob_decoder *in, int64_t id)
{
    size_t i = 0;
    while (i < in->described && in->types[i].id != id)
        i++;
    return i;
}

const char *gob_type_name(const struct gob_decoder *in, int64_t id, char text[GOB_NAME_MAX + 8])
{
    size_t i = find(in, id), size = GOB_NAME_MAX + 8;
    const struct gob_described *described = i < in->described ? &in->types[i] : NULL;
    if (id >= GOB_BOOL && id <= INTERFACE)
        snprintf(text, size, "%s", kinds[id].name);
    else if (described != NULL && described->is_slice)
        snprintf(text, size, "[]%s", kinds[described->elem].name);
    else if (described != NULL && described->name[0] != '\0')
        snprintf(text, size, "%s", described->name);
    else
        snprintf(text, size, "type %lld", (long long)id);
    return text;
}

static bool get_name(struct input *from, char name[GOB_NAME_MAX + 1])
{
    struct gob_bytes text;
    if (!get_item(from, GOB_STRING, &text))
        return false;
    if (text.len > GOB_NAME_MAX)
        return wrong(from, "a name of more than 63 bytes");
    if (memchr(text.data, '\0', text.len) != NULL)
        return wrong(from, "a name with a zero byte in it");
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    return true;
}

static bool get_common(struct input *from, char name[GOB_NAME_MAX + 1], int64_t *id)
{
    name[0] = '\0';
    *id = 0;
    size_t next = 0;
    while (get_field(from, 2, &next))
        if (!(next == 1 ? get_name(from, name) : get_int(from, id)))
            return false;
    return from->wrong == NULL;
}

// Reads a struct's fields into described.
static bool get_fields(struct input *from, struct gob_described *described)
{
    uint64_t count;
    if (!get_uint(from, &count))
        return false;
    if (count > GOB_FIELDS_MAX)
        return wrong(from, "more than 16 fields");
    for (described->count = 0; described->count < count; described->count++) {
        char *name = described->fields[described->count].name;
        if (!get_common(from, name, &described->fields[described->count].id))
            return false;
        if (name[0] == '\0')
            return wrong(from, "a field without a name");
    }
    return true;
}

// Keeps the description of the type with this id. Returns 2, or -1 and in->error.
static int get_description(struct gob_decoder *in, struct input *from, int64_t id)
{
    if (id < LEAST_ID)
        return fail(in->error, "type id %lld described, but ids below %d are built in", (long long)id, LEAST_ID);
    if (find(in, id) < in->described)
        return fail(in->error, "type id %lld described twice", (long long)id);
    if (in->described == GOB_TYPES_MAX)
        return fail(in->error, "more than %d types described", GOB_TYPES_MAX);

    struct gob_described *described = &in->types[in->described];
    described->name[0] = '\0';
    described->id = described->elem = 0;
    described->count = 0;
    size_t which = 0, next = 0;
    if (!get_field(from, DESCRIPTIONS, &which))
        from->wrong = from->wrong == NULL ? "an empty description" : from->wrong;
    described->is_slice = which == SLICE;
    while (from->wrong == NULL && get_field(from, 2, &next)) {
        if (next == 1)
            get_common(from, described->name, &described->id);
        else if (which == SLICE)
            get_int(from, &described->elem);
        else if (which == STRUCT)
            get_fields(from, described);
        if (from->wrong == NULL && refused[which] != NULL)
            from->wrong = refused[which];
    }
    if (from->wrong == NULL && get_field(from, DESCRIPTIONS, &which))
        from->wrong = "two descriptions in one";
    if (from->wrong != NULL)
        return fail(in->error, "type %s: %s", described->name, from->wrong);
    if (described->id != id)
        return fail(in->error, "type %s: described as %lld, but calls itself %lld", described->name, (long long)id,
                    (long long)described->id);
    char elem[GOB_NAME_MAX + 8];
    if (described->is_slice && !is_kind(described->elem))
        return fail(in->error, "type %s: a slice of %s is not supported", described->name,
                    gob_type_name(in, described->elem, elem));
    in->matches[in->described++].type = NULL;
    return 2;
}

// -- messages -----------------------------------------------------------------------------------------------------------

// A message is a length, and so many bytes: an id, and then either (the id negated) the description of the type that has
// this id from now on, or a value of the type with this id.

// One byte is kept free before a message for its length, as most lengths are one byte. For a longer one the message moves.
static char *begin_message(struct output *to)
{
    char *start = to->at;
    put_uint(to, 0);
    return start;
}

static void end_message(struct output *to, char *start)
{
    if (to->full)
        return;
    size_t n = (size_t)(to->at - start) - 1;
    char length[LENGTH_MAX];
    struct output number = {length, length + sizeof length, false};
    put_uint(&number, n);
    size_t more = (size_t)(number.at - length) - 1;
    to->full = more > (size_t)(to->end - to->at);
    if (to->full)
        return;
    if (more > 0)
        memmove(start + 1 + more, start + 1, n);
    memcpy(start, length, 1 + more);
    to->at += more;
}

static int put_messages(struct gob_encoder *out, struct output *to, const struct gob_type *type, const void *value)
{
    size_t before = out->types, which = place(out, type);
    if (which == before && enter_all(out, type) == -1)
        return -1;
    for (size_t i = before; i < out->types; i++) {
        char *start = begin_message(to);
        put_uint(to, from_int(-id_of(i)));
        put_description(to, out, i);
        end_message(to, start);
    }
    char *start = begin_message(to), *first = to->at;
    put_uint(to, from_int(id_of(which)));
    size_t items = put_struct(to, type, value);
    size_t n = (size_t)(to->at - first);
    end_message(to, start);
    if (items > GOB_ITEMS_MAX)
        return fail(out->error, "type %s: %zu elements in its slices (at most %d)", type->name, items, GOB_ITEMS_MAX);
    if (n > GOB_MESSAGE_MAX)
        return fail(out->error, "type %s: message of %zu bytes (at most %d)", type->name, n, GOB_MESSAGE_MAX);
    return to->full ? fail(out->error, "type %s: no room", type->name) : 0;
}

long gob_encode(struct gob_encoder *out, const struct gob_type *type, const void *value, char *bytes, size_t size)
{
    size_t before = out->types;
    struct output to = {bytes, bytes + size, false};
    if (put_messages(out, &to, type, value) == -1) {
        out->types = before;
        return -1;
    }
    return (long)(to.at - bytes);
}

void gob_decoder_open(struct gob_decoder *in)
{
    in->error[0] = '\0';
    in->described = in->start = in->end = in->waiting = in->used = 0;
    in->broken = false;
}

char *gob_space(struct gob_decoder *in, size_t *room)
{
    *room = sizeof in->bytes - in->end;
    return in->bytes + in->end;
}

void gob_received(struct gob_decoder *in, size_t n)
{
    size_t room = sizeof in->bytes - in->end;
    in->end += n < room ? n : room;
}

size_t gob_unfinished(const struct gob_decoder *in)
{
    return in->waiting + in->end - in->start;
}

// Finds where in the C struct field i of the described type goes. Returns 1; 0 if it is skipped; or -1 and in->error.
static int match_field(struct gob_decoder *in, size_t which, size_t i, const struct gob_type *type)
{
    const char *name = in->types[which].fields[i].name;
    int64_t id = in->types[which].fields[i].id;
    size_t slice = find(in, id);
    char received[GOB_NAME_MAX + 8];
    gob_type_name(in, id, received);
    if (id > GOB_STRING && id <= INTERFACE)
        return fail(in->error, "field %s: %s is not supported", name, received);
    if (!is_kind(id) && slice == in->described)
        return fail(in->error, "field %s: unknown type id %lld", name, (long long)id);
    if (!is_kind(id) && !in->types[slice].is_slice)
        return fail(in->error, "field %s: %s, a struct in a struct, is not supported", name, received);

    struct gob_matched *matched = &in->matches[which].fields[i];
    *matched = (struct gob_matched){(enum gob_kind)(is_kind(id) ? id : in->types[slice].elem), !is_kind(id), NULL};
    for (size_t j = 0; j < type->count && matched->to == NULL; j++)
        if (strcmp(name, type->fields[j].name) == 0)
            matched->to = &type->fields[j];
    if (matched->to == NULL)
        return 0;
    char wanted[GOB_NAME_MAX + 8];
    if (matched->to->kind != matched->kind || matched->to->slice != matched->slice)
        return fail(in->error, "field %s: %s received, %s%s wanted", name, received, matched->to->slice ? "[]" : "",
                    gob_type_name(in, matched->to->kind, wanted));
    return 1;
}

// Finds for all fields of the described type where they go in the C struct. Returns 0, or -1 and in->error.
static int make_match(struct gob_decoder *in, size_t which, const struct gob_type *type)
{
    const struct gob_described *described = &in->types[which];
    bool common = described->count == 0 || type->count == 0;
    for (size_t i = 0; i < described->count; i++) {
        int found = match_field(in, which, i, type);
        if (found == -1)
            return -1;
        common = common || found == 1;
    }
    if (!common)
        return fail(in->error, "type %s: no field in common with %s", described->name, type->name);
    in->matches[which].type = type;
    return 0;
}

static int get_value(struct gob_decoder *in, struct input *from, int64_t id, const struct gob_type *type, void *value)
{
    size_t which = find(in, id);
    char name[GOB_NAME_MAX + 8];
    if ((id > 0 && id <= INTERFACE) || (which < in->described && in->types[which].is_slice))
        return fail(in->error, "%s received, a struct wanted", gob_type_name(in, id, name));
    if (which == in->described)
        return fail(in->error, "unknown type id %lld", (long long)id);
    if (in->matches[which].type != type && make_match(in, which, type) == -1)
        return -1;
    return get_struct(in, from, which, type, value);
}

// Takes the first message. Returns what gob_next() is to return.
static int get_message(struct gob_decoder *in, const struct gob_type *type, void *value)
{
    struct input from = {(unsigned char *)in->bytes + in->start, (unsigned char *)in->bytes + in->end, NULL};
    uint64_t n;
    if (!get_uint(&from, &n))
        return from.wrong == cut_off ? 0 : fail(in->error, "length of a message: %s", from.wrong);
    if (n == 0 || n > GOB_MESSAGE_MAX)
        return fail(in->error, "message of %llu bytes (at most %d)", (unsigned long long)n, GOB_MESSAGE_MAX);
    if (n > left(&from))
        return 0;
    from.end = from.at + n;

    int64_t id;
    if (!get_int(&from, &id))
        return fail(in->error, "type id: %s", from.wrong);
    if (id < -INT32_MAX || id > INT32_MAX)
        return fail(in->error, "type id %lld is out of range", (long long)id);
    int result = id < 0 ? get_description(in, &from, -id) : get_value(in, &from, id, type, value);
    if (result == -1)
        return -1;
    if (left(&from) > 0)
        return fail(in->error, "%zu bytes left over at the end of a message", left(&from));
    size_t taken = (size_t)((const char *)from.at - in->bytes) - in->start;
    in->waiting = result == 2 ? in->waiting + taken : 0;
    in->start += taken;
    return result;
}

int gob_next(struct gob_decoder *in, const struct gob_type *type, void *value)
{
    int result = in->broken ? -1 : get_message(in, type, value);
    in->broken = result == -1;
    if (result == 0) { // makes room for more: moves the part of the next message that is there to the front
        if (in->start > 0)
            memmove(in->bytes, in->bytes + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    return result;
}
