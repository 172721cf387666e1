/* indexer: the lightning indexer of DeepSeek-V3.2 (NUMERICS §2): which past keys deserve attention.
 *
 *   I[t,s] = Σ_j w[t,j]·relu(q[t,j]·k[s]), one key shared by the J heads; times (J·I)^-½ when it is
 * trained.
 *
 * Its input is detached from the model: it learns from its own loss alone and nothing flows back
 * through it.
 */
#ifndef ABLATE_WORKER_INDEXER_H
#define ABLATE_WORKER_INDEXER_H

#include "worker/arena.h"
#include "worker/ops.h"
#include "worker/params.h"
#include "worker/pass.h"

#include <stddef.h>

/* Scratch that layers share; widths: J·I, I and J. */
struct indexer_shared {
    real *dq, *dk, *dw; /* [N × J·I], [N × I], [N × J] */
    real *block;        /* [threads × 2 × INDEXER_BLOCK × T] */
};
enum { INDEXER_BLOCK = 64 };

struct indexer {
    struct indexer_shared *shared;
    size_t t, c, j, i; /* T, C, J heads, I dims */
    real scale;
    const real *w_q, *w_k, *w_w; /* [J·I × C], [I × C], [J × C] */
    real *dw_q, *dw_k, *dw_w;
    /* kept by the forward pass */
    real *q, *k, *w; /* [N × J·I], [N × I], [N × J] */
    real *scores; /* [N × T]; row t holds s ≤ t; the backward pass takes their gradient here */
};

void indexer_shared_layout(struct indexer_shared *shared, struct arena *arena,
                           const struct run_spec *spec, size_t batch, int threads);
void indexer_layout(struct indexer *indexer, struct arena *arena, struct indexer_shared *shared,
                    const struct run_spec *spec, const struct params *params, int layer,
                    size_t batch);
/* Fills scores for x [N × C]; places s > t hold nothing. */
void indexer_forward(struct indexer *indexer, const struct pass *pass, const real *x);
/* From dI (in scores, 0 where there is none, for s ≤ t) to the gradients of its three matrices. */
void indexer_backward(struct indexer *indexer, const struct pass *pass, const real *x);

#endif
