/* jsonx: JSON in (strict, by field tables) and out (one serialiser), on top of jansson. jsonx.c
 * parses, and has what else is done with values and pointers; jsonx_fields.c decodes and encodes by
 * tables; jsonx_dump.c writes.
 *
 * In: jsonx_load refuses what RFC 8259 leaves open: duplicate keys, bad UTF-8, text after the
 * value, nesting deeper than JSONX_MAX_DEPTH. Objects are then decoded by tables of fields, a row a
 * key, so that defaults, ranges, choices, error messages, the encoder and the JSON Schema test all
 * speak of the same rows. Every error carries the JSON pointer of the culprit and what would be
 * accepted.
 *
 * Out: jsonx_dump writes RFC 8785 (canonical: sorted keys, shortest numbers that read back to the
 * same double); with JSONX_KEEP_ORDER the keys stay in insertion order. Non-finite numbers can't be
 * JSON numbers; jsonx_number makes the strings "nan", "inf" and "-inf" of them, everywhere.
 */
#ifndef ABLATE_COMMON_JSONX_H
#define ABLATE_COMMON_JSONX_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSONX_MAX_DEPTH = 32, JSONX_NAME_MAX = 64 };

/* Parses len bytes as one JSON value of any type. *ret is the caller's (json_decref).
 * Errors, all with line and column: MALFORMED, TRUNCATED, TOO_DEEP, DUPLICATE_KEY, BAD_UTF8, and
 * OUT_OF_RANGE, with a pointer, for a number that neither an int64_t nor a double can hold. */
int jsonx_load(const char *text, size_t len, json_t **ret, struct err *err);

/* Refuses text (sound JSON) with an integer that wouldn't be kept exactly: a double doesn't hold
 * every integer beyond 2^53, and another reader of the number may keep it in a double. An integer
 * that ECMAScript itself spells so (1e20 as 100000000000000000000) is taken. Only what is submitted
 * is checked, not what is stored. Errors: OUT_OF_RANGE with a pointer. */
int jsonx_check_integers(const char *text, size_t len, struct err *err);

enum jsonx_type {
    JSONX_INT,    /* int64_t; a JSON integer, or a real with an integral value below 2^53 */
    JSONX_DOUBLE, /* double; any finite JSON number */
    JSONX_BOOL,   /* bool */
    JSONX_ENUM,   /* int: the index into choices */
    JSONX_STRING, /* char[size] */
    JSONX_NAME,   /* char[size]: letters, digits, space, '.', '_', '-', 1–64 characters */
    JSONX_TEXT,   /* const char *, borrowed from the decoded value; "" when absent */
    JSONX_PAIR,   /* double[2]: an array of two numbers, each within the range */
    JSONX_OBJECT, /* json_t *, borrowed from the decoded value; NULL when absent */
    JSONX_ARRAY,  /* json_t *, borrowed; NULL when absent */
    JSONX_VALUE,  /* json_t *, borrowed, of any type; NULL when absent */
};

struct jsonx_field {
    const char *key;
    enum jsonx_type type;
    size_t offset;      /* of the member in the struct */
    size_t size;        /* JSONX_STRING, JSONX_NAME: bytes of the member */
    double min, max;    /* numbers: the closed range; strings: length in bytes */
    bool exclusive_min; /* doubles: min itself is refused */
    bool exclusive_max; /* doubles: max itself is refused */
    bool required;
    bool sparse;                /* left out of what is encoded while it has its default */
    const char *const *choices; /* JSONX_ENUM: names, NULL-terminated */
    const char *preset;         /* default as JSON text, e.g. "0.1", "\"byte\"", "[0.9, 0.999]" */
};

/* Decodes obj by the n rows of fields into the struct at out: defaults for absent keys, an error
 * for unknown ones. pointer is the JSON pointer of obj itself. On error the struct's content is
 * unspecified. Errors: WRONG_TYPE, UNKNOWN_FIELD, MISSING_FIELD, OUT_OF_RANGE, INVALID_VALUE. */
int jsonx_decode(const json_t *obj, const struct jsonx_field *fields, size_t n, void *out,
                 const char *pointer, struct err *err);
/* Decodes one value by its row into member (row->offset plays no part); pointer is the value's own.
 */
int jsonx_decode_value(const json_t *value, const struct jsonx_field *row, void *member,
                       const char *pointer, struct err *err);
/* The inverse: a new object with every field; NULL when memory runs out. JSONX_OBJECT,
 * JSONX_ARRAY and JSONX_VALUE rows are left out. */
json_t *jsonx_encode(const struct jsonx_field *fields, size_t n, const void *in);

/* What a JSONX_NAME may be. */
bool jsonx_is_name(const char *text);
/* "integer", "number", "boolean", "enum", "string", "name", "pair", "object", "array" or
 * "value". */
const char *jsonx_type_name(enum jsonx_type type);

/* A JSON real, or the string "nan", "inf" or "-inf". New reference. */
json_t *jsonx_number(double value);
/* The inverse, which also takes integers. Returns 0, or -ERR_WRONG_TYPE without a message. */
int jsonx_to_double(const json_t *value, double *ret);

enum { JSONX_CANONICAL = 0, JSONX_KEEP_ORDER = 1, JSONX_INDENT = 2 };
/* Appends value as text. A NULL value, or one that can't be written, marks the buffer failed. */
void jsonx_dump(const json_t *value, int flags, struct buf *to);
/* The same text by itself, the caller's (free); NULL when jsonx_dump fails. */
char *jsonx_text(const json_t *value, int flags);
/* Appends the shortest decimal form that reads back to the same double, as ECMAScript prints it. */
void jsonx_dump_double(double value, struct buf *to);
/* Appends text as a JSON string, quotes included. */
void jsonx_dump_string(const char *text, size_t len, struct buf *to);

/* Bytes of the longest prefix of text (UTF-8) that has at most max bytes and splits no character.
 */
size_t jsonx_prefix(const char *text, size_t max);
/* Writes base + "/" + key into ret (cut to fit), with ~ and / escaped as RFC 6901 asks. ret may be
 * base. */
void jsonx_pointer(char *ret, size_t size, const char *base, const char *key);
/* Merges the object `from` into the object `into`: members that are objects in both are merged in
 * turn, anything else replaces (a deep copy). Returns 0, or -ERR_NO_MEMORY. */
int jsonx_merge(json_t *into, const json_t *from);

#endif
