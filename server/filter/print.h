/* print: a filter written as text. */
#ifndef ABLATE_SERVER_FILTER_PRINT_H
#define ABLATE_SERVER_FILTER_PRINT_H

#include "server/filter/filter.h"

/* Appends the filter as text from which the same filter comes. */
void filter_print(const struct filter *filter, struct buf *to);

#endif
