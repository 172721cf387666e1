/* moe: mixture of experts (schema/numerics.md §1): each token visits its `experts_per_token` best
 * experts.
 *
 * g = gate·x (+ noise); weights = softmax over the selected; out = Σ weight·w2·drop(silu(w1·x)), or
 * with activation swiglu Σ weight·w2·drop(silu(w1·x) ⊙ w3·x).
 * The tokens of an expert are gathered, in order, into rows that lie together: expert e owns rows
 * first[e] … first[e+1]−1 of the gathered buffers. One expert is a plain feed-forward layer.
 */
#ifndef ABLATE_WORKER_MOE_H
#define ABLATE_WORKER_MOE_H

#include "worker/base/arena.h"
#include "worker/base/batch_pass.h"
#include "worker/base/params.h"
#include "worker/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scratch that layers share; M = N·experts_per_token gathered rows. */
struct moe_shared {
    real *dg;    /* [N × E] */
    real *dy;    /* [M × C] gradient of the experts' outputs */
    real *dx;    /* [M × C] gradient of their inputs */
    real *dh;    /* [M × F] */
    real *du;    /* [M × F] of w3·x; swiglu only */
    real *gate;  /* packed: [E × C] */
    real *slope; /* [E] of the balance loss, by a token's probability */
    real *pad;   /* [threads × pad_reals] for dots_alone */
    size_t pad_reals;
};

struct moe_expert {
    const real *w1, *w2, *w3; /* [F × C], [C × F]; swiglu: [F × C], else NULL */
    real *dw1, *dw2, *dw3;
};

struct moe_tile {
    size_t expert, row, rows; /* gathered rows row … row+rows−1 */
};

struct moe {
    struct moe_shared *shared;
    size_t t, c, f, e, k; /* T, C, F, E, experts per token */
    const real *w_gate;   /* [E × C]; NULL with one expert */
    real *dw_gate;
    struct moe_expert *experts; /* [E] */
    bool gated;                 /* activation swiglu */
    char drop_name[64], noise_name[64];
    /* kept by the forward pass */
    real *g, *probs; /* [N × E] logits with noise; their softmax */
    real *weight;    /* [N × k] */
    int32_t *chosen; /* [N × k] */
    int32_t *row;    /* [N × k] its gathered row */
    int32_t *token;  /* [M] the inverse: row → token */
    size_t *first;   /* [E + 1] */
    struct moe_tile *tiles;
    size_t tiles_n;
    real *x, *h, *a, *y; /* [M × C], [M × F] before silu, [M × F] after it and dropout, [M × C] */
    real *u;             /* [M × F] w3·x, when gated */
    uint8_t *keep;       /* [M × F] */
};

struct moe_stats {
    double balance;   /* E·Σ f·P; 0 with one expert */
    double imbalance; /* greatest f, times E */
};

void moe_shared_layout(struct moe_shared *shared, struct arena *arena, const struct run_spec *spec,
                       size_t batch, int threads);
void moe_layout(struct moe *moe, struct arena *arena, struct moe_shared *shared,
                const struct run_spec *spec, const struct params *params, int layer, size_t batch);
/* out [N × C] = the layer's answer to x [N × C] (normed). */
void moe_forward(struct moe *moe, const struct batch_pass *pass, const real *x, real *out,
                 struct moe_stats *ret);
/* dx [N × C] = gradient (set, not added), the balance loss's included; weights' are added to. */
void moe_backward(struct moe *moe, const struct batch_pass *pass, const real *x, const real *dout,
                  real *dx);

#endif
