/* select: by what means the kinds (kinds/) choose their visible keys. Ties go to the lower place,
 * and equal keys do tie: dots (worker/ops/dots.h) makes both the keys and the scores. */
#ifndef ABLATE_WORKER_SELECT_H
#define ABLATE_WORKER_SELECT_H

#include "worker/attn/attn.h"
#include "worker/ops/topk.h"

struct attn_core;

/* A block of queries of one sequence: of pass->batch · select_blocks(attn) tasks the i-th. */
struct select_block {
    size_t b, from, rows;
};
size_t select_blocks(const struct attn *attn);
struct select_block select_block(const struct attn *attn, size_t i);

/* The K largest of scores[n], as `row` (b·T + t) of what this pass uses, unless it is held.
 * scratch [n]. */
void select_largest(const struct attn *attn, size_t row, const real *scores, size_t n,
                    topk_key *scratch);

/* Whether the query at t sees the key at s ≤ t. */
typedef bool (*select_sees)(const struct spec_attention *spec, size_t t, size_t s);
/* The whole choice of a kind whose visible keys follow from the places alone. */
void select_fixed(struct attn *attn, const struct batch_pass *pass, select_sees sees);

/* The dense attention, for a choice or a measurement. First the keys of all heads and sequences are
 * packed, in dqkv, which is free in a forward pass. */
void select_dense_pack(struct attn *attn, const struct batch_pass *pass);
/* After that: scores [rows × T] of a block's queries in head h against the first `cols` keys. */
void select_dense_scores(const struct attn *attn, const struct select_block *block, size_t h,
                         size_t cols, real *scores);
/* The same: sum [rows × T] = Σ over heads of a block's dense probabilities; scratch likewise. */
void select_dense_sum(const struct attn *attn, const struct select_block *block, real *sum,
                      real *scratch);

/* Of a pass whose kernel keeps scores as a matrix: [rows × T] = Σ over heads of a block's
 * probabilities before dropout. In the thread's scratch. */
const real *select_head_sum(const struct attn_core *core, const struct select_block *block,
                            int thread);

#endif
