/* model_priv: what a model is made of, for model.c and walk.c. */
#ifndef ABLATE_WORKER_MODEL_PRIV_H
#define ABLATE_WORKER_MODEL_PRIV_H

#include "worker/attn/attn.h"
#include "worker/base/arena.h"
#include "worker/model/model.h"
#include "worker/moe/moe.h"
#include "worker/ops/loss.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* x += drop(Attn(norm1 x)); x += drop(MoE(norm2 x)) */
struct block {
    struct attn attn;
    struct moe moe;
    const real *w_norm1, *w_norm2;
    real *dw_norm1, *dw_norm2;
    real *in, *mid;          /* [N × C] the residual stream before either half */
    real *normed1, *normed2; /* [N × C] */
    real *rstd1, *rstd2;     /* [N] */
    uint8_t *keep1, *keep2;  /* [N × C] */
    char drop1[64], drop2[64];
};

struct model {
    struct run_spec spec, bare; /* bare: the same without dropout and noise */
    struct params params;
    struct pool *pool;
    bool borrows; /* the pool */
    struct arena arena;
    size_t batch; /* windows of a micro-batch, which every buffer has room for */
    size_t whole; /* B: a multiple of it */
    size_t t, c, v, layers;
    struct block *blocks; /* [layers] */
    struct attn_shared attn_shared;
    struct moe_shared moe_shared;
    struct loss loss;
    const real *w_embed, *w_norm, *w_head;
    real *dw_embed, *dw_norm, *dw_head;
    real *out, *normed, *rstd; /* after the last block */
    real *branch;              /* [N × C] what a half of a block adds */
    real *dx, *dbranch, *dnormed, *parts;
    int32_t *inputs, *targets; /* [N] */
    struct model_watch watch;  /* of evaluations; empty = nobody watches */
};

#endif
