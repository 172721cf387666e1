/* attn: multi-head attention, whose kinds differ in which keys a query may see.
 *
 * qkv projection, RoPE, scores q·k/√D, softmax over the visible keys, dropout on the probabilities,
 * values, output projection. A kind is a row of a table: it chooses the visible keys (one choice
 * for all heads), and may learn from the probabilities that came of it. A kernel is how it is
 * computed, chosen by shape alone:
 *
 *   kept     short sequences: probabilities [B × H × T × T] are kept for the backward pass
 *   flash    long ones: tiles of keys with an online softmax, probabilities made again when needed
 *   gather   long ones of which a query sees few keys: lists of keys, O(T·K) work after selection
 *
 * kept and flash take the visible keys as a mask of bytes or, without one, all past keys.
 */
#ifndef ABLATE_WORKER_ATTN_H
#define ABLATE_WORKER_ATTN_H

#include "common/spec/attention.h"
#include "common/spec/sizes.h"
#include "worker/attn/indexer.h"
#include "worker/base/arena.h"
#include "worker/base/batch_pass.h"
#include "worker/base/params.h"
#include "worker/base/real.h"
#include "worker/ops/drop.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { ATTN_BLOCK = ATTENTION_BLOCK, ATTN_TILE = 512 }; /* queries and keys handled at a time */

struct attn;
struct attn_core;

/* What the trainer computes of a kind; what both programs know of it is a row of attention_table
 * (common/spec/attention.h). */
struct attn_kind {
    /* Chooses the visible keys (select_*) from x [N × C], the layer's normed input. NULL: every
     * past key is visible. */
    void (*select)(struct attn *attn, const struct batch_pass *pass, const real *x);
    /* Adds the gradient of the kind's own loss to its parameters; returns the loss, unweighted.
     * NULL: nothing to learn. */
    double (*learn)(struct attn *attn, const struct batch_pass *pass, const real *x);
};
extern const struct attn_kind *const attn_kinds[ATTENTION_KINDS];

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
/* The one that this attention takes at this length, past any dense warm-up. */
const struct attn_kernel *attn_kernel_of(const struct spec_attention *attention, int64_t t);

/* Scratch that layers share. */
struct attn_shared {
    real *rope_cos, *rope_sin; /* [T × D/2] */
    real *dy, *dqkv;           /* [N × C], [N × 3C]; dqkv also holds every key packed, by head */
    real *w_qkv;               /* packed: [3C × C] */
    real *blocks;              /* [threads × 2 × ATTN_BLOCK × span] */
    size_t span;               /* T, but ATTN_TILE at least */
    real *packed_k, *packed_v, *packed_dk, *packed_dv; /* gather: [B × H × T × D] */
    const struct attn_kernel
        *force; /* NULL = the kernel follows from the shape; tests compare them */
    struct indexer_shared indexer;
};

/* One layer's attention. */
struct attn {
    const struct spec_attention *spec; /* borrowed of the run's, which outlives the layer */
    const struct attn_kind *kind;
    const struct attn_kernel *kernel, *dense_kernel; /* of sparse passes, and of dense ones */
    struct attn_shared *shared;
    size_t t, c, h, d, k; /* T, C, H, D; K: most keys that a query sees */
    bool open;            /* a query may see the future (selection: published) */
    int64_t warm_up;      /* so many steps are dense: every past key is seen */
    double kl_weight;     /* of the indexer's loss; 0 = it doesn't learn */
    const real *w_qkv, *w_out;
    real *dw_qkv, *dw_out;
    struct indexer indexer;
    char drop_name[64], select_name[64];
    /* kept by the forward pass */
    real *qkv;      /* [N × 3C], q and k rotated */
    real *y;        /* [N × C] */
    real *probs;    /* kept: [B × H × T × T]; a dropped one has its sign turned */
    real *lse;      /* flash, gather: [B × H × T] ln Σ exp of the scores */
    uint8_t *mask;  /* kept, flash: [B × T × T]; 1 = visible */
    int32_t *keys;  /* gather: [N × K] the visible keys, ascending */
    int32_t *n;     /* gather: [N] how many */
    real *scores;   /* gather, indexed: [N × K] the indexer's, of the visible keys */
    real *mean;     /* gather, indexed: [N × K] probability before dropout, summed over heads */
    bool use_mask;  /* in this pass; else causal */
    bool use_lists; /* in this pass: keys and n instead of a mask */
};

void attn_shared_layout(struct attn_shared *shared, struct arena *arena,
                        const struct run_spec *spec, size_t batch, int threads);
/* Fills the tables in the shared memory, once it exists. */
void attn_shared_fill(struct attn_shared *shared, const struct run_spec *spec);
void attn_layout(struct attn *attn, struct arena *arena, struct attn_shared *shared,
                 const struct run_spec *spec, const struct params *params, int layer, size_t batch);

/* out [N × C] = attention of x [N × C] (normed). */
void attn_forward(struct attn *attn, const struct batch_pass *pass, const real *x, real *out);
/* dx [N × C] = its gradient (set, not added); parameters' gradients are added to. Returns the
 * kind's own loss (the indexer's KL), unweighted. */
double attn_backward(struct attn *attn, const struct batch_pass *pass, const real *x,
                     const real *dout, real *dx);
/* After attn_forward: whether that pass let some query see fewer than all its past keys. */
static inline bool attn_leaves_out(const struct attn *attn)
{
    return (attn->use_mask || attn->use_lists) && attn->k < attn->t;
}
/* After attn_forward: the share of the dense attention mass (mean over heads) that the visible keys
 * hold, averaged over the queries with more than K past keys; NaN if there are none, or if the
 * probabilities are. */
double attn_recall(struct attn *attn, const struct batch_pass *pass);

/* What the kernels share: one pass over one layer. */
struct attn_core {
    struct attn *attn;
    const struct batch_pass *pass;
    struct drop drop; /* of the probabilities */
    real scale;       /* D^-½ */
};

/* Weight in the gradient of what a query has to learn by itself; 0 = nothing learns. */
static inline double attn_kl_scale(const struct attn *attn, const struct batch_pass *pass)
{
    return pass->tokens > 0 ? attn->kl_weight / (double)pass->tokens : 0;
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
/* A thread's scratch: two blocks of [ATTN_BLOCK × span], one after the other. */
static inline real *attn_block(const struct attn *attn, int thread, size_t which)
{
    return attn->shared->blocks + ((size_t)thread * 2 + which) * ATTN_BLOCK * attn->shared->span;
}

#endif
