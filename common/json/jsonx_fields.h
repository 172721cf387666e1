/* jsonx_fields: objects decoded and encoded by tables of fields, a row a key, so that defaults,
 * ranges, choices, error messages, the encoder and the JSON Schema test all speak of the same rows.
 * Every error carries the JSON pointer of the culprit and what would be accepted.
 */
#ifndef ABLATE_COMMON_JSONX_FIELDS_H
#define ABLATE_COMMON_JSONX_FIELDS_H

#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum jsonx_type {
    JSONX_INT,    /* int64_t; a JSON integer, or a real with an integral value below 2^53 */
    JSONX_DOUBLE, /* double; any finite JSON number */
    JSONX_BOOL,   /* bool */
    JSONX_ENUM,   /* int: the index into choices */
    JSONX_STRING, /* char[size] */
    JSONX_NAME,   /* char[NAMES_BYTES]: what names_check lets through (names.h) */
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
    size_t size;        /* JSONX_STRING: bytes of the member */
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

/* "integer", "number", "boolean", "enum", "string", "name", "pair", "object", "array" or
 * "value". */
const char *jsonx_type_name(enum jsonx_type type);

#endif
