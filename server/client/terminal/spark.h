/* spark: a curve in one line of text, and a bar. */
#ifndef ABLATE_CLIENT_SPARK_H
#define ABLATE_CLIENT_SPARK_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends n values as at most `width` characters, from the least value (lowest) to the greatest;
 * where there are more values, neighbours are averaged. One that isn't finite is an x, and stands
 * before those beside it. All equal: in the middle. */
void spark_line(struct buf *to, const double *values, size_t n, size_t width, bool ascii);
/* Appends a bar of `width` characters, so much of it full (0 to 1; what is beyond is cut). */
void spark_bar(struct buf *to, double share, size_t width, bool ascii);

#endif
