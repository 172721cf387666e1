/* lines: makes every line end with LF, and drops byte order marks that lines begin with; a part of
 * an import (import.c). */
#ifndef ABLATE_SERVER_LINES_H
#define ABLATE_SERVER_LINES_H

#include "server/data/import/source.h"

#include <stdbool.h>

struct lines {
    bool cr_ends;                            /* in: CR alone ends a line */
    struct taker to;                         /* in */
    bool inside;                             /* a line has begun */
    int64_t crs;                             /* seen, not yet handed on */
    int64_t ends, crcrlf, marks, marks_kept; /* byte order marks: dropped, and inside of lines */
};
int lines_take(void *lines, const char *bytes, size_t n, struct err *err);
/* After the last piece. */
int lines_end(struct lines *lines, struct err *err);

#endif
