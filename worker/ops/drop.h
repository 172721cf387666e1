/* drop: dropout masks, drawn by the element's number in the full tensor (schema/numerics.md §3). */
#ifndef ABLATE_WORKER_DROP_H
#define ABLATE_WORKER_DROP_H

#include "common/philox.h"
#include "worker/base/pool.h"
#include "worker/base/real.h"

#include <stddef.h>
#include <stdint.h>

struct drop {
    struct philox stream;
    uint64_t step;
    uint64_t first;     /* the number that the pass's element 0 has in the whole batch */
    uint32_t threshold; /* kept iff (word >> 8) ≥ threshold; 0 = dropout is off */
    real scale;         /* float32(1/(1 − p)) */
};

/* name: e.g. "blocks.0.attn.probs". step 0 (evaluation) or p = 0 turn it off. */
struct drop drop_of(int64_t seed, const char *name, double p, uint64_t step, uint64_t first);
/* keep[n]: 1 or 0 for the pass's elements first … first+n−1. */
void drop_mask(const struct drop *drop, uint64_t first, size_t n, uint8_t *keep);
/* The same for the elements first + at[0 … n−1]. */
void drop_pick(const struct drop *drop, uint64_t first, const int32_t *at, size_t n, uint8_t *keep);

#endif
