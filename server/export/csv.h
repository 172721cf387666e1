/* csv: cells of a table (RFC 4180), safe to open in a spreadsheet.
 *
 * A spreadsheet takes a cell that begins with = + - or @ for a formula, and one that begins with a
 * tab or a carriage return for what follows it. A text that begins so gets a ' before it. Numbers
 * are never touched, nor is a text that is one ("-1.5"): neither is a formula.
 */
#ifndef ABLATE_SERVER_CSV_H
#define ABLATE_SERVER_CSV_H

#include "common/base/buf.h"

#include <jansson.h>
#include <stdint.h>

/* Appends a cell; the caller writes the commas between them. */
void csv_text(const char *text, struct buf *to);
/* A number, true, false; nothing for null and NULL; text; arrays and objects as JSON text. */
void csv_value(const json_t *value, struct buf *to);
/* Faster than printf, of which an export would need one a line. */
void csv_int(int64_t value, struct buf *to);

#endif
