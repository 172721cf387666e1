/* indexer: the lightning indexer of DeepSeek-V3.2 (schema/numerics.md §2): which past keys deserve
 * attention.
 *
 *   I[t,s] = Σ_j w[t,j]·relu(q[t,j]·k[s]), one key shared by the J heads; times (J·I)^-½ when it is
 * trained. indexer_norm puts a LayerNorm on k; then indexer_rope turns the first half of the dims
 * of q and k, in split-half pairs.
 *
 * q, k, w and I decide which keys are seen, so they are made by dots (worker/ops/dots.h): equal
 * rows of x give equal bits wherever they stand, and equal keys tie.
 *
 * Its input is detached from the model: it learns from its own loss alone and nothing flows back
 * through it.
 */
#ifndef ABLATE_WORKER_INDEXER_H
#define ABLATE_WORKER_INDEXER_H

#include "common/spec/sizes.h"
#include "worker/base/arena.h"
#include "worker/base/batch_pass.h"
#include "worker/base/params.h"
#include "worker/base/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Scratch that layers share; widths: the largest J·I, I and J of any layer. */
struct indexer_shared {
    real *dq, *dk, *dw; /* [N × J·I], [N × I], [N × J] */
    real *dk_norm;      /* [2 × B × I] a sequence's share of the LayerNorm's gradients */
    real *weight;       /* packed: [the largest width × C] */
    real *keys;         /* packed: [B × T × I] */
    real *block;        /* [threads × INDEXER_BLOCK × T] */
    size_t parts;       /* runs of queries that a sequence is split in, for lists */
    real *dk_parts;     /* [B × parts × T × I] */
};
enum { INDEXER_BLOCK = 64 }; /* queries at a time */

struct indexer {
    struct indexer_shared *shared;
    size_t t, c, j, i; /* T, C, J heads, I dims */
    real scale;
    real *rope_cos, *rope_sin;   /* [T × I/4]; NULL without indexer_rope */
    const real *w_q, *w_k, *w_w; /* [J·I × C], [I × C], [J × C] */
    real *dw_q, *dw_k, *dw_w;
    const real *norm_w, *norm_b; /* [I]; NULL without indexer_norm */
    real *dnorm_w, *dnorm_b;
    /* kept by the forward pass */
    real *q, *k, *w;      /* [N × J·I], [N × I], [N × J] */
    real *k_hat, *k_rstd; /* [N × I], [N], of the LayerNorm */
    /* [N × T], NULL if no kernel keeps them; row t holds s ≤ t. indexer_backward takes their
     * gradient here. */
    real *scores;
};

/* Of N queries the keys that they saw: row r has n[r] of at most K, ascending. */
struct indexer_lists {
    const int32_t *keys, *n; /* [N × K], [N] */
    real *dscores;           /* [N × K], used up */
    size_t k;
};

/* Nothing, if no layer has an indexer. */
void indexer_shared_layout(struct indexer_shared *shared, struct arena *arena,
                           const struct run_spec *spec, size_t batch, int threads);
void indexer_layout(struct indexer *indexer, struct arena *arena, struct indexer_shared *shared,
                    const struct run_spec *spec, const struct params *params, int layer,
                    size_t batch, bool keep_scores);
/* Projects x [N × C] to q, k and w. */
void indexer_forward(struct indexer *indexer, const struct batch_pass *pass, const real *x);
/* After that: I of `rows` queries from `from` of sequence b into scores [rows × T];
 * places beyond the block's last query are left alone, those beyond each one's own are undefined.
 */
void indexer_scores(const struct indexer *indexer, size_t b, size_t from, size_t rows,
                    real *scores);
/* Where the scores of query `row` (b·T + t) are kept, or `otherwise` if they aren't. */
static inline real *indexer_scores_row(const struct indexer *indexer, size_t row, real *otherwise)
{
    return indexer->scores != NULL ? indexer->scores + row * indexer->t : otherwise;
}
/* From dI (in scores, 0 where there is none, for s ≤ t) to the gradients of the indexer's
 * parameters; the second does it from dI of listed keys. */
void indexer_backward(struct indexer *indexer, const struct batch_pass *pass, const real *x);
void indexer_backward_lists(struct indexer *indexer, const struct batch_pass *pass, const real *x,
                            const struct indexer_lists *lists);

#endif
