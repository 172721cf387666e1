/* jsonx: JSON in (strict), on top of jansson, and what else is done with values and pointers. Objects
 * are decoded by tables (jsonx_fields.h); what goes out is written by jsonx_dump.h.
 *
 * jsonx_load refuses what RFC 8259 leaves open: duplicate keys, bad UTF-8, text after the value,
 * nesting deeper than JSONX_MAX_DEPTH. Non-finite numbers can't be JSON numbers; jsonx_number makes
 * the strings "nan", "inf" and "-inf" of them, everywhere.
 */
#ifndef ABLATE_COMMON_JSONX_H
#define ABLATE_COMMON_JSONX_H

#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSONX_MAX_DEPTH = 32 };

/* Parses len bytes as one JSON value of any type. *ret is the caller's (json_decref).
 * Errors, all with line and column: MALFORMED, TRUNCATED, TOO_DEEP, DUPLICATE_KEY, BAD_UTF8, and
 * OUT_OF_RANGE, with a pointer, for a number that neither an int64_t nor a double can hold. */
int jsonx_load(const char *text, size_t len, json_t **ret, struct err *err);

/* Refuses text (sound JSON) with an integer that wouldn't be kept exactly: a double doesn't hold
 * every integer beyond 2^53, and another reader of the number may keep it in a double. An integer
 * that ECMAScript itself spells so (1e20 as 100000000000000000000) is taken. Only what is submitted
 * is checked, not what is stored. Errors: OUT_OF_RANGE with a pointer. */
int jsonx_check_integers(const char *text, size_t len, struct err *err);

/* A JSON real, or the string "nan", "inf" or "-inf". New reference. */
json_t *jsonx_number(double value);
/* The inverse, which also takes integers. Returns 0, or -ERR_WRONG_TYPE without a message. */
int jsonx_to_double(const json_t *value, double *ret);

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
