/* attn: multi-head attention, whose kinds differ in which keys a query may see.
 *
 * qkv projection, RoPE, scores q·k/√D, softmax over the visible keys, dropout on the probabilities,
 * values, output projection. A kind is a row of a table: it chooses the visible keys (one choice
 * for all heads, by select.h), and may learn from the probabilities that came of it. A kernel
 * (kernel.h) is how the attention is computed, and follows from the shape alone.
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

#include <stddef.h>
#include <stdint.h>

enum { ATTN_BLOCK = ATTENTION_BLOCK, ATTN_TILE = 512 }; /* queries and keys handled at a time */

struct attn;
struct attn_kernel;

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
/* Its rows, a file each: kinds/NAME.c. */
#define DECLARE(id, name) extern const struct attn_kind attn_##name;
ATTENTION_KIND_LIST(DECLARE)
#undef DECLARE

/* The kernel that an attention takes at this length, past any dense warm-up. */
const struct attn_kernel *attn_kernel_of(const struct spec_attention *attention, int64_t t);

/* Scratch that layers share. */
struct attn_shared {
    real *rope_cos, *rope_sin; /* [T × D/2] */
    real *dy, *dqkv;           /* [N × C], [N × 3C]; dqkv also holds every key packed, by head */
    real *w_qkv;               /* packed: [3C × C] */
    real *blocks;              /* [threads × 2 × ATTN_BLOCK × span] */
    size_t span;               /* T, but ATTN_TILE at least */
    real *packed_k, *packed_v, *packed_dk, *packed_dv; /* gather: [B × H × T × D] */
    /* NULL = the kernel follows from the shape; tests and the audit of equivalence choose one */
    const struct attn_kernel *force;
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
    bool held;      /* in this pass: mask, or keys and n, stay as they are */
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
/* After attn_forward: the places that the query of row b·T + t saw, ascending, into ret [T]; returns
 * how many. */
size_t attn_seen(const struct attn *attn, size_t row, int32_t *ret);
/* After attn_forward: whether the keys of that pass were chosen; else each query saw all past ones. */
static inline bool attn_chose(const struct attn *attn)
{
    return attn->use_mask || attn->use_lists;
}
/* The same, and some query saw fewer than all its past keys. */
static inline bool attn_leaves_out(const struct attn *attn)
{
    return attn_chose(attn) && attn->k < attn->t;
}
#endif
