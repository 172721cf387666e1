/* attn_maps: pictures of one layer's attention in the pass just made, for people to look at: which keys
 * the queries chose and the probability that they gave them, cell by cell, as bytes.
 */
#ifndef ABLATE_WORKER_ATTN_MAPS_H
#define ABLATE_WORKER_ATTN_MAPS_H

#include "worker/attn/attn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The sizes are those of maps_plan (common/spec/maps.h), P its side. A cell stands for `pool`
 * queries and as many keys. Of a cell, `sees` has 255 times the share of its places (t, s) that are
 * chosen; the others 255·√m, m being the sum over the cell's keys of the probability, averaged over
 * the cell's queries; both are rounded to the nearest, 0 where there is no number. Probabilities are
 * those before dropout. */
struct attn_maps {
    size_t windows, pool, side;
    bool heads;     /* mass has each; else their mean alone */
    uint8_t *sees;  /* [windows × P × P] */
    uint8_t *dense; /* [windows × P × P] what dense causal attention would give; mean over heads */
    uint8_t *mass;  /* [windows × (H or 1) × P × P] what this pass gave */
};

/* After a forward pass, of its first `windows` sequences; all that ret points at is the caller's and
 * is set. Uses memory of the backward pass. Unless the pass chose its keys (attn_chose), `sees` and
 * `dense` are left as they are: every past key is seen, and mass is that of dense attention. */
void attn_maps(struct attn *attn, const struct batch_pass *pass, const struct attn_maps *ret);

#endif
