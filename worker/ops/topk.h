/* topk: deterministic selection. The k largest of x[n], equal values by the lower index first; −0
 * equals +0. */
#ifndef ABLATE_WORKER_TOPK_H
#define ABLATE_WORKER_TOPK_H

#include "worker/ops.h"

#include <stddef.h>
#include <stdint.h>

/* mask[n]: 1 for the selected, else 0; all of them when k ≥ n. scratch [n]. x holds no NaN; where
 * it does, the selection is still deterministic and has k members. */
void topk_mask(const real *x, size_t n, size_t k, uint8_t *mask, real *scratch);

#endif
