/* jsonx_dump: JSON out (one serialiser): RFC 8785 (canonical: sorted keys, shortest numbers that read
 * back to the same double); with JSONX_KEEP_ORDER the keys stay in insertion order.
 */
#ifndef ABLATE_COMMON_JSONX_DUMP_H
#define ABLATE_COMMON_JSONX_DUMP_H

#include "common/base/buf.h"

#include <jansson.h>
#include <stddef.h>

enum { JSONX_CANONICAL = 0, JSONX_KEEP_ORDER = 1, JSONX_INDENT = 2 };
/* Appends value as text. A NULL value, or one that can't be written, marks the buffer failed. */
void jsonx_dump(const json_t *value, int flags, struct buf *to);
/* The same text by itself, the caller's (free); NULL when jsonx_dump fails. */
char *jsonx_text(const json_t *value, int flags);
/* Appends the shortest decimal form that reads back to the same double, as ECMAScript prints it. */
void jsonx_dump_double(double value, struct buf *to);
/* Appends text as a JSON string, quotes included. */
void jsonx_dump_string(const char *text, size_t len, struct buf *to);

#endif
