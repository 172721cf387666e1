/* topk: deterministic selection, equal values by the lower index first. */
#ifndef ABLATE_WORKER_TOPK_H
#define ABLATE_WORKER_TOPK_H

#include "worker/base/real.h"

#include <stddef.h>
#include <stdint.h>

/* Values as integers that order alike. */
#ifdef ABLATE_DOUBLE
typedef uint64_t topk_key;
#else
typedef uint32_t topk_key;
#endif

/* What is selected: as a mask[n] of ones and zeros, or as a list ret[min(k, n)] of places in
 * ascending order, whose length is returned; all n when k ≥ n. k > 0; scratch [n]. */

/* The k largest of x[n]. −0 equals +0; a NaN comes after everything else. */
void topk_mask(const real *x, size_t n, size_t k, uint8_t *mask, topk_key *scratch);
size_t topk_list(const real *x, size_t n, size_t k, int32_t *ret, topk_key *scratch);
/* The k smallest of words[n]. */
void topk_mask_smallest(const uint32_t *words, size_t n, size_t k, uint8_t *mask,
                        topk_key *scratch);
size_t topk_list_smallest(const uint32_t *words, size_t n, size_t k, int32_t *ret,
                          topk_key *scratch);

#endif
