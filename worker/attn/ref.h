/* ref: the attention of one sequence, dense causal or over given keys, written out plainly in double. The kernels are
 * compared with it, and share nothing with it but the masks of dropout and the rotation's tables.
 */
#ifndef ABLATE_WORKER_ATTN_REF_H
#define ABLATE_WORKER_ATTN_REF_H

#include "common/base/err.h"
#include "worker/base/real.h"
#include "worker/ops/drop.h"

#include <stddef.h>

struct attn_ref {
    size_t t, c, h;
    const real *qkv;                 /* [T × 3C], q and k rotated */
    const real *dy;                  /* [T × C] gradient of the heads' output */
    const real *rope_cos, *rope_sin; /* [T × D/2] */
    const uint8_t *sees;             /* [T × T] 1 = query (row) sees key; NULL: every s ≤ t */
    const struct drop *drop;         /* of the probabilities; element (h·T + t)·T + s */
};

/* y [T × C]; dqkv [T × 3C], of q and k before they were rotated. Both are set. Errors: NO_MEMORY.
 */
int attn_ref_run(const struct attn_ref *ref, double *y, double *dqkv, struct err *err);

#endif
