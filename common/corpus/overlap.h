/* overlap: were the targets of validation trained on? A trainer measures it of its run, the daemon
 * before anything is trained; both judge it by the same rule (schema/numerics.md §7). */
#ifndef ABLATE_COMMON_OVERLAP_H
#define ABLATE_COMMON_OVERLAP_H

#include "common/base/buf.h"
#include "common/corpus/corpus.h"

#include <jansson.h>

enum { OVERLAP_CONTEXT = 32 }; /* tokens before a target */

struct overlap {
    int64_t targets;  /* of the windows that evaluation looks at */
    int64_t same;     /* of them, training targets at the same place of the corpus */
    int64_t contexts; /* targets with OVERLAP_CONTEXT tokens before them in their part */
    int64_t known; /* of those, with the same tokens before the same target somewhere in training */
};

/* Where the i-th window that evaluation looks at is read from [T + 1]. */
struct overlap_windows {
    void (*read)(void *arg, size_t i, int32_t *ret);
    void *arg;
};

/* eval_windows: of the specification. windows: what a run is really handed; NULL: what the split
 * gives. Errors: NO_MEMORY. */
int overlap_measure(const struct corpus_split *split, int64_t eval_windows,
                    const struct overlap_windows *windows, struct overlap *ret, struct err *err);

enum overlap_grade { OVERLAP_LITTLE, OVERLAP_SOME, OVERLAP_MUCH };
enum overlap_grade overlap_grade(const struct overlap *overlap);
/* The share of n in all; 0 of nothing. */
static inline double overlap_share(int64_t n, int64_t all)
{
    return all > 0 ? (double)n / (double)all : 0;
}
/* The sentence, and the figures as evidence (a new reference). */
void overlap_say(const struct overlap *overlap, struct buf *to);
json_t *overlap_json(const struct overlap *overlap);

#endif
