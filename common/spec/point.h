/* point: how a point of an experiment's grid, {path: value}, is told to people. */
#ifndef ABLATE_COMMON_POINT_H
#define ABLATE_COMMON_POINT_H

#include "common/base/buf.h"

#include <jansson.h>

/* The last part of a path: "seq_len" of "data.seq_len". */
const char *point_factor(const char *path);
/* The field's own word for a path: "L" for "data.seq_len"; others by their last part. */
const char *point_symbol(const char *path);
/* The text `before`, e.g. " at ", then "seq_len 64, lr 0.001"; nothing for {}. */
void point_say(const json_t *point, const char *before, struct buf *to);
/* The same with symbols: "L = 64, lr = 0.001". */
void point_say_symbols(const json_t *point, const char *before, struct buf *to);

#endif
