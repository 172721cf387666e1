/* attn: multi-head attention, whose kinds differ in which keys a query may see.
 *
 * qkv projection, RoPE, scores q·k/√D, softmax over the visible keys, dropout on the probabilities,
 * values, output projection. A kind is a row of a table: it chooses the visible keys (one choice
 * for all heads), and may learn from the probabilities that came of it. Heads keep their
 * probabilities [B × H × T × T] for the backward pass; a dropped one is kept with its sign turned.
 */
#ifndef ABLATE_WORKER_ATTN_H
#define ABLATE_WORKER_ATTN_H

#include "worker/arena.h"
#include "worker/attn/indexer.h"
#include "worker/ops.h"
#include "worker/params.h"
#include "worker/pass.h"

#include <stddef.h>
#include <stdint.h>

enum { ATTN_BLOCK = 64 }; /* queries handled at a time */

struct attn;

struct attn_kind {
    const char *name;
    bool indexed; /* has an indexer */
    bool masked;  /* has a mask */
    /* Fills attn->mask from x [N × C], the layer's normed input; NULL: every past key is visible.
     */
    void (*select)(struct attn *attn, const struct pass *pass, const real *x);
    /* Adds the gradient of the kind's own loss to its parameters; returns the loss, unweighted.
     * NULL: nothing to learn. */
    double (*learn)(struct attn *attn, const struct pass *pass, const real *x);
};
extern const struct attn_kind attn_kinds[ATTENTION_KINDS];

/* Scratch that layers share. */
struct attn_shared {
    real *rope_cos, *rope_sin; /* [T × D/2] */
    real *dy, *dqkv;           /* [N × C], [N × 3C] */
    real *blocks;              /* [threads × 2 × ATTN_BLOCK × T] */
    struct indexer_shared indexer;
};

/* One layer's attention. */
struct attn {
    const struct attn_kind *kind;
    struct attn_shared *shared;
    size_t t, c, h, d, k; /* T, C, H, D, K (0 without) */
    size_t window, sink;
    bool open; /* the mask may show the future (selection: published) */
    const real *w_qkv, *w_out;
    real *dw_qkv, *dw_out;
    struct indexer indexer;
    char drop_name[64], select_name[64];
    /* kept by the forward pass */
    real *qkv;     /* [N × 3C], q and k rotated */
    real *probs;   /* [B × H × T × T] */
    real *y;       /* [N × C] */
    uint8_t *mask; /* [B × T × T]; 1 = visible */
    bool use_mask; /* in this pass; else causal */
};

void attn_shared_layout(struct attn_shared *shared, struct arena *arena,
                        const struct run_spec *spec, size_t batch, int threads);
/* Fills the tables in the shared memory, once it exists. */
void attn_shared_fill(struct attn_shared *shared, const struct run_spec *spec);
void attn_layout(struct attn *attn, struct arena *arena, struct attn_shared *shared,
                 const struct run_spec *spec, const struct params *params, int layer, size_t batch);

/* out [N × C] = attention of x [N × C] (normed). */
void attn_forward(struct attn *attn, const struct pass *pass, const real *x, real *out);
/* dx [N × C] = its gradient (set, not added); parameters' gradients are added to. Returns the
 * kind's own loss (the indexer's KL), unweighted. */
double attn_backward(struct attn *attn, const struct pass *pass, const real *x, const real *dout,
                     real *dx);

#endif
