// gob.h: Go's encoding/gob, enough of it for a stream of structs with the fields below. It does no input or output: it takes
// bytes from memory and puts bytes into memory, so the reads and writes stay visible in the programs.
//
// A gob stream is a row of messages: a length, then so many bytes. A message describes a type (once, before its first value)
// or holds a value. The receiver matches fields by name through the description, so the two ends need not have the same
// struct. Source: the documentation of Go's encoding/gob, and the comment in its doc.go.
//
// It does not support maps, arrays, interfaces, complex numbers, structs in structs, slices of slices, GobEncoder, and streams
// whose values are no structs. It refuses them by an error that names the type or the field, even if the value would only be
// skipped.
//
// It also refuses some things about which Go's decoder says nothing: a message of 0 bytes (which Go takes for the end), a
// value without its end mark, bytes left over in a message, a description that repeats another id than its own.
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

// len bytes at data; not NUL-terminated. Those of a decoded value are in the decoder, and good until the next gob_next().
struct gob_bytes {
    const char *data;
    size_t len;
};

// A slice: count elements at items, each as the kind's member above. Those of a decoded value are in the decoder, too.
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

// One stream's sending end, with the types that it has described. Set it to zero to begin: struct gob_encoder out = {0};
struct gob_encoder {
    const struct gob_type *described[GOB_TYPES_MAX]; // a type's id is 65 and its place here; slices are types, too
    size_t types;
    char error[GOB_ERROR_SIZE];
};

// Writes the messages for one value to bytes[0..size): the type's description if this stream has none yet, then the value.
// Returns their length; or -1 and out->error (no room, a limit above, a field's name that Go would not see), and then the
// encoder is as before. The encoder knows a type by its address, so the type must not change as long as the stream lasts.
// As in Go, zero values and empty slices are not sent, and -0.0 is a zero value. Of a slice all elements are sent.
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

// How the values of a described type go into a C struct. It is made at the first value, and then used for all.
struct gob_match {
    const struct gob_type *type; // NULL: it is not made yet
    struct gob_matched {
        enum gob_kind kind; // what is received
        bool slice;
        const struct gob_field *to; // NULL: skipped
    } fields[GOB_FIELDS_MAX];
};

// One stream's receiving end, with all of its memory: it allocates nothing, whatever the bytes say. Call gob_decoder_open()
// first. It is large, so do not put many of them on a stack.
struct gob_decoder {
    char error[GOB_ERROR_SIZE]; // why the last call returned -1
    size_t described;           // how many types the stream has described; the last one is types[described - 1]
    struct gob_described types[GOB_TYPES_MAX];
    // The rest is the decoder's own.
    struct gob_match matches[GOB_TYPES_MAX];
    size_t start, end;                     // bytes[start..end) were received and not taken yet
    size_t waiting;                        // bytes of descriptions that no value has followed yet
    size_t used;                           // how many of items the value uses
    bool broken;                           // whether there was an error
    char bytes[GOB_MESSAGE_MAX + 9];       // room for a message with the longest length before it
    struct gob_bytes items[GOB_ITEMS_MAX]; // the elements of slices; the largest of them are gob_bytes
};

void gob_decoder_open(struct gob_decoder *in);

// Returns where read(2) may put bytes. *room says how many: at least 1, if gob_next() was called until it returned 0.
// Then call gob_received(in, n) with the number that read(2) returned.
char *gob_space(struct gob_decoder *in, size_t *room);
void gob_received(struct gob_decoder *in, size_t n);

// Takes the next message from what was received. Returns
//   2   for a description; it is types[described - 1];
//   1   for a value: *value (type->size bytes) is cleared, and each field that came and that type has by that name is set;
//   0   if more bytes are needed; gob_unfinished() tells whether the stream may end here;
//  -1   and in->error: "unknown type id 66", "message of 4294967295 bytes (at most 65536)",
//       "field Seq: string received, int wanted", "type Point: a map is not supported", ... Then each later call fails, too.
// As in Go, fields that are missing are left out, and unknown ones are skipped. A field of another type is an error, even if
// it has no value. So is a struct that has no field in common with type, unless one of the two has none at all. The elements
// of slices count, too: a []uint is no []int. Unlike in Go, a field that is left out is zero, because *value is cleared first.
int gob_next(struct gob_decoder *in, const struct gob_type *type, void *value);

// Returns how many bytes were received since the last value, or the beginning. At 0 the stream may end. If it is more after
// EOF, the stream was cut off: a value has to follow a description.
size_t gob_unfinished(const struct gob_decoder *in);

// Returns "int", "[]string", or the name of a described struct; "type 77" if the stream has not described it, or has no name
// for it.
const char *gob_type_name(const struct gob_decoder *in, int64_t id, char text[GOB_NAME_MAX + 8]);

#endif
