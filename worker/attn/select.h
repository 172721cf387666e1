/* select: which keys a query may see, kind by kind (rows of attn_kinds). Ties go to the lower
 * place, and equal keys do tie: scores are made by dots (worker/ops/dots.h) from keys that were,
 * too. */
#ifndef ABLATE_WORKER_SELECT_H
#define ABLATE_WORKER_SELECT_H

#include "worker/ops.h"
#include "worker/pass.h"

struct attn;

/* The K best by the indexer among s ≤ t; `published`: the future scored −1e9 instead of forbidden.
 */
void select_dsa(struct attn *attn, const struct pass *pass, const real *x);
/* KL(p ‖ softmax of the scores) over the visible keys, p = head-mean of the probabilities. */
double select_dsa_learn(struct attn *attn, const struct pass *pass, const real *x);
/* t − window < s ≤ t, or s < sink. */
void select_window(struct attn *attn, const struct pass *pass, const real *x);
/* K of the past keys by lot: the smallest keyed words. What sparsity costs without a selector. */
void select_random(struct attn *attn, const struct pass *pass, const real *x);
/* The K past keys with the most dense probability, averaged over heads: what a perfect selector
 * would choose. Computes the dense probabilities for it; no gradient passes through the choice.
 * RoPE turns equal tokens' keys apart: what ties here is what it leaves equal. */
void select_oracle(struct attn *attn, const struct pass *pass, const real *x);

#endif
