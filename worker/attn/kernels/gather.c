/* The kernel of long sequences of which a query sees few keys: O(T·K) work.
 *
 * The visible keys are lists, one for all heads. Keys and values are first packed head by head, so
 * that what one head needs (T × D) fits a core's second cache, whose rows a block of queries then
 * picks again and again; in the order of tokens each row would come from further away. Forward, a
 * task is a block of queries with all its heads, whose mean probability the indexer learns from.
 * Backward, it is a head of a sequence: queries in order, so each row of dk and dv has one writer
 * and a fixed order of sums, without atomics. Measured against lists of the queries that see a key
 * (dk as a sum, not as scattered additions): those need their weights from all over memory, and
 * lose. */
#include "worker/attn/kernel.h"
#include "worker/attn/softmax.h"
#include "worker/ops/act.h"
#include "worker/ops/sparse.h"

#include <string.h>

static void layout(struct attn *attn, struct arena *arena, size_t batch)
{
    size_t rows = batch * attn->t;
    attn_flash.layout(attn, arena, batch);
    attn->keys = arena_take(arena, rows * attn->k, sizeof(int32_t));
    attn->n = arena_take(arena, rows, sizeof(int32_t));
    if (!attention_is_indexed(attn->spec))
        return;
    attn->scores = arena_take(arena, rows * attn->k, sizeof(real));
    attn->mean = arena_take(arena, rows * attn->k, sizeof(real));
}

/* Head h of sequence b in a packed array [B × H × T × D]. */
static real *packed(const struct attn *a, real *array, size_t b, size_t h)
{
    return array + (b * a->h + h) * a->t * a->d;
}

/* part: 1 = keys, 2 = values. */
static void pack(const struct attn *a, size_t b, size_t h, size_t part, real *to)
{
    const real *from = attn_head(a, b, h, part);
    for (size_t t = 0; t < a->t; t++)
        memcpy(to + t * a->d, from + t * 3 * a->c, a->d * sizeof *to);
}

static void pack_task(void *arg, size_t bh, int thread)
{
    (void)thread;
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, h = bh % a->h;
    pack(a, b, h, 1, packed(a, a->shared->packed_k, b, h));
    pack(a, b, h, 2, packed(a, a->shared->packed_v, b, h));
}

/* A block of queries of one head, and its thread's scratch: [rows × K] each. */
struct block {
    size_t b, h, from, rows;
    real *p, *dp;
    int32_t *at;   /* where the packed rows of the visible keys begin */
    uint8_t *keep; /* of one query */
};

static struct block block_of(const struct attn *a, int thread, size_t b, size_t from)
{
    size_t rows = attn_block_rows(a, from), size = ATTN_BLOCK * a->k;
    real *scratch = attn_block(a, thread, 0);
    struct block block = { .b = b, .from = from, .rows = rows, .p = scratch, .dp = scratch + size };
    block.at = (int32_t *)(void *)(scratch + 2 * size);
    block.keep = (uint8_t *)(block.at + size);
    for (size_t r = 0; r < rows; r++) {
        const int32_t *keys = a->keys + (b * a->t + from + r) * a->k;
        size_t n = (size_t)a->n[b * a->t + from + r];
        for (size_t i = 0; i < n; i++)
            block.at[r * a->k + i] = keys[i] * (int32_t)a->d;
    }
    return block;
}

static size_t count(const struct attn *a, const struct block *block, size_t r)
{
    return (size_t)a->n[block->b * a->t + block->from + r];
}

/* Scores, scaled, of every query of the block. */
static void scores_of(const struct attn_core *core, const struct block *block, const real *k)
{
    const struct attn *a = core->attn;
    const struct sparse_kernels *kernels = sparse_kernels(a->d);
    const real *q = attn_head(a, block->b, block->h, 0) + block->from * 3 * a->c;
    for (size_t r = 0; r < block->rows; r++) {
        real *p = block->p + r * a->k;
        size_t n = count(a, block, r);
        kernels->dots(q + r * 3 * a->c, k, block->at + r * a->k, n, a->d, p);
        act_scale(p, core->scale, n);
    }
}

static size_t element(const struct attn *a, const struct block *block, size_t r)
{
    return ((block->b * a->h + block->h) * a->t + block->from + r) * a->t;
}

static const int32_t *keys_of(const struct attn *a, const struct block *block, size_t r)
{
    return a->keys + (block->b * a->t + block->from + r) * a->k;
}

static void forward_head(const struct attn_core *core, const struct block *block)
{
    const struct attn *a = core->attn;
    const struct sparse_kernels *kernels = sparse_kernels(a->d);
    const real *v = packed(a, a->shared->packed_v, block->b, block->h);
    scores_of(core, block, packed(a, a->shared->packed_k, block->b, block->h));
    for (size_t r = 0; r < block->rows; r++) {
        real *p = block->p + r * a->k, most = SOFTMAX_HIDDEN, sum = 0;
        size_t n = count(a, block, r), row = block->b * a->t + block->from + r;
        softmax_online(p, n, n, NULL, &most, &sum);
        act_scale(p, 1 / sum, n);
        a->lse[element(a, block, r) / a->t] = softmax_lse(most, sum);
        if (a->mean != NULL)
            softmax_add(p, n, a->mean + row * a->k);
        if (core->drop.threshold > 0) {
            drop_pick(&core->drop, element(a, block, r), keys_of(a, block, r), n, block->keep);
            softmax_keep(p, n, block->keep, core->drop.scale);
        }
        kernels->sum(p, v, block->at + r * a->k, n, a->d, a->y + row * a->c + block->h * a->d);
    }
}

static void forward_task(void *arg, size_t i, int thread)
{
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    size_t blocks = (a->t + ATTN_BLOCK - 1) / ATTN_BLOCK;
    struct block block = block_of(a, thread, i / blocks, i % blocks * ATTN_BLOCK);
    if (a->mean != NULL)
        memset(a->mean + (block.b * a->t + block.from) * a->k, 0,
               block.rows * a->k * sizeof *a->mean);
    for (block.h = 0; block.h < a->h; block.h++)
        forward_head(core, &block);
}

static void forward(const struct attn_core *core)
{
    const struct attn *a = core->attn;
    size_t blocks = (a->t + ATTN_BLOCK - 1) / ATTN_BLOCK;
    pool_run(core->pass->pool, core->pass->batch * a->h, pack_task, (void *)(uintptr_t)core);
    pool_run(core->pass->pool, core->pass->batch * blocks, forward_task, (void *)(uintptr_t)core);
}

/* Probabilities and the gradients of the scores, in p (what the values were weighed with) and dp.
 */
static void backward_scores(const struct attn_core *core, const struct block *block, const real *dy)
{
    const struct attn *a = core->attn;
    const struct sparse_kernels *kernels = sparse_kernels(a->d);
    const real *y = a->y + (dy - a->shared->dy);
    scores_of(core, block, packed(a, a->shared->packed_k, block->b, block->h));
    for (size_t r = 0; r < block->rows; r++) {
        real *p = block->p + r * a->k, *dp = block->dp + r * a->k, along = 0;
        size_t n = count(a, block, r);
        for (size_t i = 0; i < a->d; i++)
            along += y[r * a->c + i] * dy[r * a->c + i];
        kernels->dots(dy + r * a->c, packed(a, a->shared->packed_v, block->b, block->h),
                      block->at + r * a->k, n, a->d, dp);
        drop_pick(&core->drop, element(a, block, r), keys_of(a, block, r), n, block->keep);
        softmax_again(p, n, n, NULL, a->lse[element(a, block, r) / a->t]);
        softmax_back(p, dp, n, block->keep, core->drop.scale, along, core->scale);
    }
}

static void backward_block(const struct attn_core *core, const struct block *block)
{
    const struct attn *a = core->attn;
    const struct sparse_kernels *kernels = sparse_kernels(a->d);
    const real *q = attn_head(a, block->b, block->h, 0) + block->from * 3 * a->c;
    const real *k = packed(a, a->shared->packed_k, block->b, block->h);
    const real *dy = a->shared->dy + (block->b * a->t + block->from) * a->c + block->h * a->d;
    real *dq = attn_dhead(a, block->b, block->h, 0) + block->from * 3 * a->c;
    real *dk = packed(a, a->shared->packed_dk, block->b, block->h);
    real *dv = packed(a, a->shared->packed_dv, block->b, block->h);
    backward_scores(core, block, dy);
    for (size_t r = 0; r < block->rows; r++)
        kernels->sum(block->dp + r * a->k, k, block->at + r * a->k, count(a, block, r), a->d,
                     dq + r * 3 * a->c);
    for (size_t r = 0; r < block->rows; r++)
        kernels->scatter(block->dp + r * a->k, q + r * 3 * a->c, block->at + r * a->k,
                         count(a, block, r), a->d, dk);
    for (size_t r = 0; r < block->rows; r++)
        kernels->scatter(block->p + r * a->k, dy + r * a->c, block->at + r * a->k,
                         count(a, block, r), a->d, dv);
}

static void backward_task(void *arg, size_t bh, int thread)
{
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, h = bh % a->h;
    real *dk = packed(a, a->shared->packed_dk, b, h), *dv = packed(a, a->shared->packed_dv, b, h);
    pack_task(arg, bh, thread);
    memset(dk, 0, a->t * a->d * sizeof *dk);
    memset(dv, 0, a->t * a->d * sizeof *dv);
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        struct block block = block_of(a, thread, b, from);
        block.h = h;
        backward_block(core, &block);
    }
    for (size_t t = 0; t < a->t; t++) {
        memcpy(attn_dhead(a, b, h, 1) + t * 3 * a->c, dk + t * a->d, a->d * sizeof *dk);
        memcpy(attn_dhead(a, b, h, 2) + t * 3 * a->c, dv + t * a->d, a->d * sizeof *dv);
    }
}

static void backward(const struct attn_core *core)
{
    pool_run(core->pass->pool, core->pass->batch * core->attn->h, backward_task,
             (void *)(uintptr_t)core);
}

const struct attn_kernel attn_gather = {
    .name = "gather",
    .layout = layout,
    .forward = forward,
    .backward = backward,
};
