/* spec_row_macros: how the tables of fields write a row: the member of struct s that the key names,
 * its type, the closed range, the default as JSON text. */
#ifndef ABLATE_COMMON_SPEC_ROW_MACROS_H
#define ABLATE_COMMON_SPEC_ROW_MACROS_H

#include "common/json/jsonx_fields.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* 2^53 − 1: the largest integer that every JSON implementation keeps. */
#define MAX_SAFE 9007199254740991.0

#define AT(s, m)                .key = #m, .offset = offsetof(struct s, m)
#define RANGE(lo, hi, def)      .min = lo, .max = hi, .preset = def
#define INT(s, m, lo, hi, def)  AT(s, m), .type = JSONX_INT, RANGE(lo, hi, def)
#define REAL(s, m, lo, hi, def) AT(s, m), .type = JSONX_DOUBLE, RANGE(lo, hi, def)
#define PAIR(s, m, lo, hi, def) AT(s, m), .type = JSONX_PAIR, RANGE(lo, hi, def)
#define FLAG(s, m, def)         AT(s, m), .type = JSONX_BOOL, .preset = def
#define ENUM(s, m, names, def)  AT(s, m), .type = JSONX_ENUM, .choices = names, .preset = def
#define OBJECT(s, m)            AT(s, m), .type = JSONX_OBJECT
#define ARRAY(s, m)             AT(s, m), .type = JSONX_ARRAY
/* Ends of a range that don't belong to it. */
#define ABOVE .exclusive_min = true
#define BELOW .exclusive_max = true
/* A field that came later: absent while it has its default, so that digests of before stay. */
#define LATER .sparse = true

#endif
