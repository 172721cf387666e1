/* near: of what is known, that which looks most like what was written. */
#ifndef ABLATE_SERVER_FILTER_NEAR_H
#define ABLATE_SERVER_FILTER_NEAR_H

#include <stddef.h>

enum { NEAR_BEST = 3, NEAR_BYTES = 96 };
struct near {
    const char *wanted;
    struct {
        char name[NEAR_BYTES];
        size_t distance;
    } best[NEAR_BEST];
    size_t n;
};
/* A name that is known. */
void near_add(struct near *near, const char *name);
/* "; near: a, b" of those that came near enough, or "". */
void near_text(const struct near *near, char *ret, size_t size);

#endif
