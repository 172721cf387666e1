/* loss: output layer and cross-entropy in one, chunk by chunk, so that the logits of a batch never
 * stand in memory as a whole.
 *
 * logits = x·Wᵀ (W [V × C]: the embedding when tied); loss = mean over the scored rows of −ln
 * softmax(logits)[target]; dlogits = (softmax − onehot)/(scored rows), 0 where a row isn't scored:
 * of such a row nothing is computed.
 */
#ifndef ABLATE_WORKER_LOSS_H
#define ABLATE_WORKER_LOSS_H

#include "worker/base/arena.h"
#include "worker/base/pool.h"
#include "worker/base/real.h"

#include <stddef.h>
#include <stdint.h>

struct loss {
    size_t n_max, c, v;
    size_t chunk;        /* rows a chunk */
    size_t width, tiles; /* columns a tile, tiles across V */
    size_t groups;       /* runs of tiles that share a part of dx */
    real *logits;        /* [tiles × chunk × width], then exponentials, then their gradients */
    real *most;          /* [chunk × tiles] a row's largest logit in a tile */
    real *sum;        /* [chunk × tiles] Σ exp(logit − most); then what a tile is scaled by */
    int32_t *first;   /* [chunk × tiles] the lowest id that has the largest logit */
    real *at_target;  /* [chunk] the target's logit */
    real *parts;      /* [groups × chunk × C] of dx */
    size_t *place;    /* [n_max] of each scored row, in order */
    real *taken;      /* [chunk × C] scored rows, when they aren't all; then their dx */
    int32_t *answers; /* [chunk] their targets */
    double *nll;      /* [n_max] of each scored row */
    uint8_t *hit;     /* [n_max] likewise: argmax equals the target */
    size_t mean_over; /* scored rows of the whole batch, when n is a part of it; 0: those of n */
};

void loss_layout(struct loss *loss, struct arena *arena, size_t n_max, size_t c, size_t v);

enum { LOSS_UNSCORED = -1 }; /* as a target */

struct loss_result {
    double nll;               /* summed over the scored rows */
    int64_t correct, targets; /* of the scored rows; how many */
};
/* Rows x [n × C], targets[n] in 0…V−1 or LOSS_UNSCORED. */
void loss_forward(const struct loss *loss, struct pool *pool, size_t n, const real *x,
                  const real *w, const int32_t *targets, struct loss_result *ret);
/* Forward and backward: dx [n × C] is set, dw [V × C] is added to; both for the mean loss. */
void loss_step(const struct loss *loss, struct pool *pool, size_t n, const real *x, const real *w,
               const int32_t *targets, real *dx, real *dw, struct loss_result *ret);

#endif
