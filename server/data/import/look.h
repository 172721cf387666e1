/* look: tells what kind of file it is, in a pass before the one that stores; a part of an import
 * (import.c). */
#ifndef ABLATE_SERVER_LOOK_H
#define ABLATE_SERVER_LOOK_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct look {
    int64_t percents, gaps; /* lone "%" lines; blank lines between two others that aren't "%" */
    int64_t contents;       /* lines that are neither blank nor "%" */
    bool braces;            /* each of them begins with { and ends with } */
    char opening[2];        /* the first two characters but blanks */
    char closing;           /* the last one of those lines */
    bool in_gap, after_content;
    char first, last; /* of the line at hand, but blanks; 0 = there is none */
    int64_t length;   /* of the line at hand, up to 2 */
    bool bare;        /* no blank in it */
};
void look_init(struct look *look);
int look_take(void *look, const char *bytes, size_t n, struct err *err);
void look_end(struct look *look);
bool look_percent_separates(const struct look *look);
/* Whether it begins and ends as a JSON array or object does. */
bool look_brackets(const struct look *look);

#endif
