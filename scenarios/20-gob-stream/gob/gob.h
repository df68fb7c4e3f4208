// gob.h: Go's encoding/gob, enough of it for a stream of structs with the fields below. No input or output of its own: bytes
// go in and come out of memory, so the reads and writes stay visible in the programs.
//
// A gob stream is a row of messages: a length, then so many bytes. A message describes a type (once, before its first value)
// or holds a value. The receiver matches fields by name through the description, so the two ends need not have the same
// struct. Source: the documentation of Go's encoding/gob, and the comment in its doc.go.
//
// Not supported, and refused by an error that names the type or the field, even where the value would only be skipped: maps,
// arrays, interfaces, complex numbers, structs in structs, slices of slices, GobEncoder; and a stream whose values are no
// structs.
//
// Refused too, where Go's decoder says nothing: a message of 0 bytes (which Go takes for the end), a value without its end mark,
// bytes left over in a message, a description that repeats another id than its own.
#ifndef TCPLAB_GOB_H
#define TCPLAB_GOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GOB_MESSAGE_MAX = 64 * 1024, // bytes of one message, its length not counted; checked before anything is stored
    GOB_FIELDS_MAX = 16,         // fields of one struct
    GOB_NAME_MAX = 63,           // bytes of a type's or a field's name
    GOB_TYPES_MAX = 32,          // types described in one stream
    GOB_ITEMS_MAX = 4096,        // elements of all slices of one value together
    GOB_ERROR_SIZE = 256,
};

// What a field can be: in Go, and the member of the C struct that holds it.
enum gob_kind {
    GOB_BOOL = 1,   // bool                      bool
    GOB_INT = 2,    // int, int8 ... int64       int64_t
    GOB_UINT = 3,   // uint, uint8 ... uint64    uint64_t
    GOB_FLOAT = 4,  // float32, float64          double
    GOB_BYTES = 5,  // []byte                    struct gob_bytes
    GOB_STRING = 6, // string                    struct gob_bytes (UTF-8, not checked)
};

// len bytes at data; not NUL-terminated. Of a decoded value: in the decoder, good until the next gob_next().
struct gob_bytes {
    const char *data;
    size_t len;
};

// A slice: count elements at items, each as the kind's member above. Of a decoded value: as gob_bytes.
struct gob_slice {
    const void *items;
    size_t count;
};

// A member of a C struct. slice: the member is a struct gob_slice of that kind.
struct gob_field {
    const char *name; // as in the Go struct: exported, so with a capital letter
    enum gob_kind kind;
    bool slice;
    size_t offset; // offsetof(struct ..., member)
};

// A C struct, for encoder and decoder.
struct gob_type {
    const char *name;
    size_t size;
    const struct gob_field *fields;
    size_t count;
};

// -- out ----------------------------------------------------------------------------------------------------------------

// One stream's sending end: which types it has described. Zero it to begin: struct gob_encoder out = {0};
struct gob_encoder {
    const struct gob_type *described[GOB_TYPES_MAX]; // a type's id is 65 and its place here; slices are types, too
    size_t types;
    char error[GOB_ERROR_SIZE];
};

// Writes the messages for one value to bytes[0..size): the type's description if this stream has none yet, then the value.
// Returns their length, or -1 and out->error (no room, a limit above, a field's name that Go would not see). On -1 the encoder
// is as before. A type is known by its address: it stays as it is for as long as the stream.
// As in Go: zero values and empty slices are not sent, and -0.0 is a zero value; in a slice, all elements are.
long gob_encode(struct gob_encoder *out, const struct gob_type *type, const void *value, char *bytes, size_t size);

// -- in -----------------------------------------------------------------------------------------------------------------

// A type that the stream has described. A slice's name is what the sender calls it, often "[]int"; "" is no name.
struct gob_described {
    int64_t id;
    char name[GOB_NAME_MAX + 1];
    bool is_slice; // then elem is the id of its elements, else it is a struct with fields
    int64_t elem;
    size_t count;
    struct {
        char name[GOB_NAME_MAX + 1];
        int64_t id;
    } fields[GOB_FIELDS_MAX];
};

// How the values of a described type go into a C struct: made at the first value, then used for all.
struct gob_match {
    const struct gob_type *type; // NULL: not made yet
    struct gob_matched {
        enum gob_kind kind; // what is received
        bool slice;
        const struct gob_field *to; // NULL: skipped
    } fields[GOB_FIELDS_MAX];
};

// One stream's receiving end, memory included: nothing is allocated, whatever the bytes say. gob_decoder_open() first. Large:
// better static in a test, on the heap, or one for each thread.
struct gob_decoder {
    char error[GOB_ERROR_SIZE]; // of the last -1
    size_t described;           // how many types the stream has described; the last one is types[described - 1]
    struct gob_described types[GOB_TYPES_MAX];
    // The rest is the decoder's own.
    struct gob_match matches[GOB_TYPES_MAX];
    size_t start, end;                     // of bytes: received and not taken yet
    size_t waiting;                        // bytes of descriptions that no value has followed yet
    size_t used;                           // of items: by the value
    bool broken;                           // after an error
    char bytes[GOB_MESSAGE_MAX + 9];       // a message with the longest length before it
    struct gob_bytes items[GOB_ITEMS_MAX]; // the elements of slices; the largest of them are gob_bytes
};

void gob_decoder_open(struct gob_decoder *in);

// Where read(2) may put bytes, and how many: *room is at least 1 unless gob_next() was not called until it returned 0.
// Then gob_received(in, n) with what read(2) returned.
char *gob_space(struct gob_decoder *in, size_t *room);
void gob_received(struct gob_decoder *in, size_t n);

// Takes the next message off what was received. Returns
//   2   a description; it is types[described - 1];
//   1   a value: *value (type->size bytes) is cleared, and each field that came and that type has by that name is set;
//   0   more bytes are needed; gob_unfinished() tells whether the stream may end here;
//  -1   in->error: "unknown type id 66", "message of 4294967295 bytes (at most 65536)", "field Seq: string received, int wanted",
//       "type Point: a map is not supported", ... The stream can't be read any further: so says each later call.
// As in Go: fields that are missing are left out, unknown ones are skipped, a field of another type is an error (even if it has
// no value), and so is a struct that has no field in common with type (unless one of the two has none at all). Elements of
// slices count, too: a []uint is no []int. Unlike in Go: what is left out is zero, since *value is cleared first.
int gob_next(struct gob_decoder *in, const struct gob_type *type, void *value);

// Bytes received since the last value (or the beginning): 0 where the stream may end. After EOF anything else means: truncated,
// since a description alone is no end; a value has to follow.
size_t gob_unfinished(const struct gob_decoder *in);

// "int", "[]string", or the name of a described struct; "type 77" if the stream has not described it, or has no name for it.
const char *gob_type_name(const struct gob_decoder *in, int64_t id, char text[GOB_NAME_MAX + 8]);

#endif
