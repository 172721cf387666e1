/* pairs: two outcomes of a seed, an arm's and its baseline's, as one difference (claims.h says what
 * becomes of each kind). */
#ifndef ABLATE_SERVER_PAIRS_H
#define ABLATE_SERVER_PAIRS_H

#include "server/verdict/study.h"

#include <stdbool.h>

/* What becomes of two outcomes of a seed, and of a seed's pairs over the grid: the later one of
 * these decides. */
enum pair_kind { PAIR_MEASURED, PAIR_LOST, PAIR_ONE_SIDED, PAIR_CANCELLED, PAIR_OPEN, PAIR_NONE };

struct pair {
    enum pair_kind kind;
    double difference; /* ± infinite when one side diverged; 0 when both did */
    double base;
    bool diverged, base_diverged;
    unsigned disturbed;
};

/* base: NULL where the baseline has no such grid point. */
struct pair pairs_of(const struct study *study, const struct slot *slot, const struct slot *base,
                     size_t seed);
/* An arm's pair of each seed over the whole grid, into pairs[seeds]: differences are means over its
 * points. */
void pairs_over_grid(const struct study *study, const char *arm, struct pair *pairs);

#endif
