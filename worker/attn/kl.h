/* kl: the indexer's loss (schema/numerics.md §2), written out plainly in double. Audits measure by
 * it; it shares nothing with what the trainer learns by but the probabilities and the scores.
 *
 * The scores have a kink wherever a head's q·k is 0. Near a point they can be taken as smooth: each
 * head's gate stays open or shut as it was at the point, whose q and k are kept for that.
 */
#ifndef ABLATE_WORKER_KL_H
#define ABLATE_WORKER_KL_H

#include "worker/attn/attn.h"

struct attn_kl {
    double kl;     /* KL(p ‖ q) over what each query saw, unweighted, the mean over the queries */
    double scores; /* root mean square of the scores, of each query their mean taken off */
};

/* The indexer's q and k of a pass, [N × J·I] and [N × I]. */
struct attn_kl_point {
    real *q, *k;
};
void attn_kl_keep(const struct attn *attn, const struct batch_pass *pass,
                  struct attn_kl_point *point);

/* After attn_forward of a pass in which the indexer scored the visible keys; the attention has an
 * indexer. point: NULL = the scores as they are. Changes nothing that attn_backward needs. */
struct attn_kl attn_kl(struct attn *attn, const struct batch_pass *pass,
                       const struct attn_kl_point *point);

#endif
