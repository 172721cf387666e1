/* indexer: the lightning indexer of DeepSeek-V3.2 (NUMERICS §2): which past keys deserve attention.
 *
 *   I[t,s] = Σ_j w[t,j]·relu(q[t,j]·k[s]), one key shared by the J heads; times (J·I)^-½ when it is
 * trained. indexer_norm puts a LayerNorm on k; then indexer_rope turns the first half of the dims
 * of q and k, in split-half pairs.
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
    real *dq, *dk, *dw;        /* [N × J·I], [N × I], [N × J] */
    real *dk_norm;             /* [2 × B × I] a sequence's share of the LayerNorm's gradients */
    real *block;               /* [threads × INDEXER_BLOCK × T] */
    real *rope_cos, *rope_sin; /* [T × I/4] */
};
enum { INDEXER_BLOCK = 64 };

struct indexer {
    struct indexer_shared *shared;
    size_t t, c, j, i; /* T, C, J heads, I dims */
    real scale;
    bool rope;
    const real *w_q, *w_k, *w_w; /* [J·I × C], [I × C], [J × C] */
    real *dw_q, *dw_k, *dw_w;
    const real *norm_w, *norm_b; /* [I]; NULL without indexer_norm */
    real *dnorm_w, *dnorm_b;
    /* kept by the forward pass */
    real *q, *k, *w;      /* [N × J·I], [N × I], [N × J] */
    real *k_hat, *k_rstd; /* [N × I], [N], of the LayerNorm */
    real *scores; /* [N × T]; row t holds s ≤ t; the backward pass takes their gradient here */
};

void indexer_shared_layout(struct indexer_shared *shared, struct arena *arena,
                           const struct run_spec *spec, size_t batch, int threads);
/* Fills the tables in the shared memory, once it exists. */
void indexer_shared_fill(struct indexer_shared *shared, const struct run_spec *spec);
void indexer_layout(struct indexer *indexer, struct arena *arena, struct indexer_shared *shared,
                    const struct run_spec *spec, const struct params *params, int layer,
                    size_t batch);
/* Fills scores for x [N × C]; places s > t hold nothing. */
void indexer_forward(struct indexer *indexer, const struct pass *pass, const real *x);
/* From dI (in scores, 0 where there is none, for s ≤ t) to the gradients of its parameters. */
void indexer_backward(struct indexer *indexer, const struct pass *pass, const real *x);

#endif
