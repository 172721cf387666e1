/* A choice becomes a row of the mask or a list of keys, as the kernel of this pass takes it. */
#include "worker/attn/select.h"

#include "worker/attn/kernel.h"
#include "worker/attn/softmax.h"
#include "worker/ops/dots.h"

#include <string.h>

size_t select_blocks(const struct attn *attn)
{
    return (attn->t + ATTN_BLOCK - 1) / ATTN_BLOCK;
}

struct select_block select_block(const struct attn *attn, size_t i)
{
    size_t blocks = select_blocks(attn), from = i % blocks * ATTN_BLOCK, left = attn->t - from;
    return (struct select_block){ i / blocks, from, left < ATTN_BLOCK ? left : ATTN_BLOCK };
}

void select_largest(const struct attn *a, size_t row, const real *scores, size_t n,
                    topk_key *scratch)
{
    if (a->held)
        return;
    if (a->use_lists) {
        a->n[row] = (int32_t)topk_list(scores, n, a->k, a->keys + row * a->k, scratch);
        return;
    }
    topk_mask(scores, n, a->k, a->mask + row * a->t, scratch);
    memset(a->mask + row * a->t + n, 0, a->t - n);
}

struct fixed {
    const struct attn *attn;
    size_t batch;
    select_sees sees;
};

/* The query at place t of every sequence: the choice is made for the first and copied for the
 * others. */
static void fixed_task(void *arg, size_t t, int thread)
{
    (void)thread;
    const struct fixed *f = arg;
    const struct attn *a = f->attn;
    int32_t n = 0;
    if (a->use_lists) {
        for (size_t s = 0; s <= t; s++)
            if (f->sees(a->spec, t, s))
                a->keys[t * a->k + (size_t)n++] = (int32_t)s;
    } else {
        for (size_t s = 0; s < a->t; s++)
            a->mask[t * a->t + s] = s <= t && f->sees(a->spec, t, s);
    }
    for (size_t b = 0; b < f->batch; b++) {
        size_t row = b * a->t + t;
        if (a->use_lists)
            a->n[row] = n;
        if (a->use_lists && b > 0)
            memcpy(a->keys + row * a->k, a->keys + t * a->k, (size_t)n * sizeof *a->keys);
        else if (b > 0)
            memcpy(a->mask + row * a->t, a->mask + t * a->t, a->t);
    }
}

void select_fixed(struct attn *attn, const struct batch_pass *pass, select_sees sees)
{
    pool_run(pass->pool, attn->t, fixed_task, &(struct fixed){ attn, pass->batch, sees });
}

/* The keys of head h of sequence b, packed. In a forward pass dqkv is free for them. */
static real *packed_keys(const struct attn *a, size_t b, size_t h)
{
    return a->shared->dqkv + (b * a->h + h) * dots_rows(a->t) * a->d;
}

static void pack_task(void *arg, size_t bh, int thread)
{
    (void)thread;
    const struct attn *a = arg;
    size_t b = bh / a->h, h = bh % a->h;
    dots_pack(a->t, a->d, attn_head(a, b, h, 1), 3 * a->c, packed_keys(a, b, h));
}

void select_dense_pack(struct attn *attn, const struct batch_pass *pass)
{
    pool_run(pass->pool, pass->batch * attn->h, pack_task, attn);
}

void select_dense_scores(const struct attn *a, const struct select_block *block, size_t h,
                         size_t cols, real *scores)
{
    size_t ld = 3 * a->c;
    dots_kernels()->product(block->rows, cols, a->d, attn_scale(a),
                            attn_head(a, block->b, h, 0) + block->from * ld, ld,
                            packed_keys(a, block->b, h), scores, a->t);
}

void select_dense_sum(const struct attn *a, const struct select_block *block, real *sum,
                      real *scratch)
{
    size_t cols = block->from + block->rows;
    memset(sum, 0, block->rows * a->t * sizeof *sum);
    for (size_t h = 0; h < a->h; h++) {
        select_dense_scores(a, block, h, cols, scratch);
        for (size_t r = 0; r < block->rows; r++) {
            softmax_forward(scratch + r * a->t, cols, block->from + r + 1, NULL);
            softmax_add(scratch + r * a->t, cols, sum + r * a->t);
        }
    }
}

const real *select_head_sum(const struct attn_core *core, const struct select_block *block,
                            int thread)
{
    const struct attn *a = core->attn;
    const struct attn_kernel *kernel = a->use_mask ? a->kernel : a->dense_kernel;
    size_t cols = attn_reach(a, block->from + block->rows - 1);
    real *sum = attn_block(a, thread, 0);
    kernel->head_sum(core, block->b, block->from, block->rows, cols, sum, attn_block(a, thread, 1));
    return sum;
}
