/* filter: the search language of GET /runs, compiled to SQL with every value bound.
 *
 *   expression = term { "or" term }
 *   term       = factor { "and" factor }
 *   factor     = "not" factor | "(" expression ")" | test
 *   test       = field operator value
 *   operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"       ("~": contains)
 *   value      = "text" | 'text' | number | bare-word
 *
 * Fields are rows of one table in filter.c, and order_by takes the same ones:
 *
 *   id experiment arm seed state priority attempt step steps digest reason
 *   created_at started_at ended_at
 *   grid.<path>  tags.<key>
 *   metrics.<name>         a metric's last value
 *   metrics.<name>.min     also .max, .mean
 */
#ifndef ABLATE_SERVER_FILTER_H
#define ABLATE_SERVER_FILTER_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stddef.h>

enum { FILTER_MAX_BYTES = 2000, FILTER_MAX_VALUES = 64, FILTER_MAX_DEPTH = 16 };

struct filter_value {
    char *text; /* owned; NULL = a number */
    double number;
};
struct filter {
    struct buf sql; /* a boolean expression over r (runs) and e (experiments), with ?-parameters in
                       order */
    struct filter_value values[FILTER_MAX_VALUES];
    size_t values_n;
};
void filter_init(struct filter *filter);
void filter_done(struct filter *filter);
/* Appends the expression of text to filter->sql ("1" for an empty text). Errors: BAD_PARAMETER,
 * with the place. */
int filter_compile(struct filter *filter, const char *text, struct err *err);
/* Whether all that was appended is there. Errors: BAD_PARAMETER (it is too long), NO_MEMORY. */
int filter_check(const struct filter *filter, struct err *err);
/* Appends the SQL of one field ("-" in front and " desc" behind are the caller's). Errors:
 * BAD_PARAMETER. */
int filter_field(struct filter *filter, const char *name, size_t len, struct err *err);

#endif
