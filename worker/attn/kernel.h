/* kernel: how a layer's attention is computed, chosen by shape alone (attention_kernel,
 * common/spec/attention.h):
 *
 *   kept     short sequences: probabilities [B × H × T × T] are kept for the backward pass
 *   flash    long ones: tiles of keys with an online softmax, probabilities made again when needed
 *   gather   long ones of which a query sees few keys: lists of keys, O(T·K) work after selection
 *
 * kept and flash take the visible keys as a mask of bytes or, without one, all past keys. Each is a
 * file of kernels/; what they share of a layer's memory stands below.
 */
#ifndef ABLATE_WORKER_ATTN_KERNEL_H
#define ABLATE_WORKER_ATTN_KERNEL_H

#include "worker/attn/attn.h"
#include "worker/ops/drop.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct attn_core;

/* A way to compute y from qkv, and dqkv from dy. */
struct attn_kernel {
    const char *name;
    void (*layout)(struct attn *attn, struct arena *arena, size_t batch);
    void (*forward)(const struct attn_core *core);
    void (*backward)(const struct attn_core *core);
    /* p [ATTN_BLOCK × T] = Σ over heads of the probabilities before dropout of `rows` queries from
     * `from` of sequence b, over `cols` keys; scratch [ATTN_BLOCK × T]. */
    void (*head_sum)(const struct attn_core *core, size_t b, size_t from, size_t rows, size_t cols,
                     real *p, real *scratch);
};
extern const struct attn_kernel attn_kept, attn_flash, attn_gather;

/* One pass over one layer. */
struct attn_core {
    struct attn *attn;
    const struct batch_pass *pass;
    struct drop drop; /* of the probabilities */
    real scale;       /* D^-½ */
};

/* Weight in the gradient of what a query has to learn by itself; 0 = nothing learns. */
static inline double attn_kl_scale(const struct attn *attn, const struct batch_pass *pass)
{
    return pass->tokens > 0 && !pass->without_kl ? attn->kl_weight / (double)pass->tokens : 0;
}

/* D^-½ */
static inline real attn_scale(const struct attn *attn)
{
    return (real)(1.0 / sqrt((double)attn->d));
}
/* Keys that a block of queries up to `last` can see. */
static inline size_t attn_reach(const struct attn *attn, size_t last)
{
    return attn->open && attn->use_mask ? attn->t : last + 1;
}
/* The visible keys of a query as bytes, or NULL for every past one. row = b·T + t. */
static inline const uint8_t *attn_mask_row(const struct attn *attn, size_t row)
{
    return attn->use_mask ? attn->mask + row * attn->t : NULL;
}
/* Head h of the q (part 0), k (1) or v (2) rows of sequence b, and of their gradients; both have
 * leading dimension 3C. */
static inline const real *attn_head(const struct attn *attn, size_t b, size_t h, size_t part)
{
    return attn->qkv + b * attn->t * 3 * attn->c + part * attn->c + h * attn->d;
}
static inline real *attn_dhead(const struct attn *attn, size_t b, size_t h, size_t part)
{
    return attn->shared->dqkv + b * attn->t * 3 * attn->c + part * attn->c + h * attn->d;
}
/* Zeroes those of a head's gradients that are added up: dk and dv. */
static inline void attn_clear_dhead(const struct attn *attn, size_t b, size_t h)
{
    for (size_t part = 1; part <= 2; part++)
        for (size_t t = 0; t < attn->t; t++)
            memset(attn_dhead(attn, b, h, part) + t * 3 * attn->c, 0, attn->d * sizeof(real));
}
/* Queries of the block that begins at `from`. */
static inline size_t attn_block_rows(const struct attn *attn, size_t from)
{
    return attn->t - from < ATTN_BLOCK ? attn->t - from : ATTN_BLOCK;
}
/* A thread's scratch: two blocks of [ATTN_BLOCK × span], one after the other. */
static inline real *attn_block(const struct attn *attn, int thread, size_t which)
{
    return attn->shared->blocks + ((size_t)thread * 2 + which) * ATTN_BLOCK * attn->shared->span;
}

#endif
