/* parse: a text read as a filter or an order. */
#ifndef ABLATE_SERVER_FILTER_PARSE_H
#define ABLATE_SERVER_FILTER_PARSE_H

#include "server/filter/filter.h"

/* The filter of a text; an empty one lets everything pass. Errors, with the place of the culprit:
 * BAD_PARAMETER (the grammar, an unknown field or word, a bound), all of them naming what would do.
 * On an error *ret is undefined. */
int filter_parse(struct filter *ret, enum filter_of of, const char *text, struct err *err);
/* "-metrics.val/loss, created_at, id": fields, each with "-" before or " desc" or " asc" behind it.
 * Without id that decides last, ascending when nothing else is said; of experiments without any
 * order it is descending, the newest first. Errors: as filter_parse. */
int filter_order_parse(struct filter_order *ret, enum filter_of of, const char *text,
                       struct err *err);

#endif
