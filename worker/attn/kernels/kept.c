/* The kernel of short sequences: a task is one head of one sequence, a block of queries at a time
 * meets all its keys at once, and the probabilities stay for the backward pass. It is also what the
 * other kernels are tested against. */
#include "worker/attn/kernel.h"
#include "worker/attn/softmax.h"
#include "worker/base/planted.h"
#include "worker/ops/gemm.h"

#include <string.h>

static void layout(struct attn *attn, struct arena *arena, size_t batch)
{
    attn->probs = arena_take(arena, batch * attn->h * attn->t * attn->t, sizeof(real));
}

static void forward_rows(const struct attn_core *core, size_t bh, size_t from, size_t rows,
                         size_t cols, real *dropped)
{
    const struct attn *a = core->attn;
    uint8_t keep[ATTN_BLOCK * 8];
    for (size_t r = 0; r < rows; r++) {
        size_t t = from + r;
        real *p = a->probs + (bh * a->t + t) * a->t;
        softmax_forward(p, cols, t + 1, attn_mask_row(a, bh / a->h * a->t + t));
        if (planted("eval_mask") && core->pass->step == 0 && t > 0)
            p[t] = 0;
        if (core->drop.threshold == 0)
            continue;
        for (size_t s = 0; s < cols; s += sizeof keep) {
            size_t part = cols - s < sizeof keep ? cols - s : sizeof keep;
            drop_mask(&core->drop, (bh * a->t + t) * a->t + s, part, keep);
            softmax_drop(p + s, part, keep, core->drop.scale, dropped + r * a->t + s);
        }
    }
}

static void forward_task(void *arg, size_t bh, int thread)
{
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, head = bh % a->h, ld = 3 * a->c;
    const real *q = attn_head(a, b, head, 0), *k = attn_head(a, b, head, 1),
               *v = attn_head(a, b, head, 2);
    real *dropped = attn_block(a, thread, 0);
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        size_t rows = attn_block_rows(a, from);
        size_t cols = attn_reach(a, from + rows - 1);
        real *p = a->probs + (bh * a->t + from) * a->t;
        gemm(rows, cols, a->d, core->scale, (struct mat){ q + from * ld, ld, false },
             (struct mat){ k, ld, true }, 0, p, a->t);
        forward_rows(core, bh, from, rows, cols, dropped);
        gemm(rows, a->d, cols, 1,
             (struct mat){ core->drop.threshold == 0 ? p : dropped, a->t, false },
             (struct mat){ v, ld, false }, 0, a->y + (b * a->t + from) * a->c + head * a->d, a->c);
    }
}

static void forward(const struct attn_core *core)
{
    pool_run(core->pass->pool, core->pass->batch * core->attn->h, forward_task,
             (void *)(uintptr_t)core);
}

static void backward_task(void *arg, size_t bh, int thread)
{
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, head = bh % a->h, ld = 3 * a->c;
    const real *q = attn_head(a, b, head, 0), *k = attn_head(a, b, head, 1),
               *v = attn_head(a, b, head, 2);
    real *dq = attn_dhead(a, b, head, 0), *dk = attn_dhead(a, b, head, 1),
         *dv = attn_dhead(a, b, head, 2);
    real *dropped = attn_block(a, thread, 0), *ds = attn_block(a, thread, 1);
    attn_clear_dhead(a, b, head);
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        size_t rows = attn_block_rows(a, from);
        size_t cols = attn_reach(a, from + rows - 1);
        const real *p = a->probs + (bh * a->t + from) * a->t;
        const real *dy = a->shared->dy + (b * a->t + from) * a->c + head * a->d;
        for (size_t r = 0; r < rows; r++)
            softmax_dropped(p + r * a->t, cols, core->drop.scale, dropped + r * a->t);
        gemm(cols, a->d, rows, 1, (struct mat){ dropped, a->t, true },
             (struct mat){ dy, a->c, false }, 1, dv, ld);
        gemm(rows, cols, a->d, 1, (struct mat){ dy, a->c, false }, (struct mat){ v, ld, true }, 0,
             ds, a->t);
        for (size_t r = 0; r < rows; r++)
            softmax_backward(p + r * a->t, ds + r * a->t, cols, core->drop.scale, core->scale);
        gemm(rows, a->d, cols, 1, (struct mat){ ds, a->t, false }, (struct mat){ k, ld, false }, 0,
             dq + from * ld, ld);
        gemm(cols, a->d, rows, 1, (struct mat){ ds, a->t, true },
             (struct mat){ q + from * ld, ld, false }, 1, dk, ld);
    }
}

static void backward(const struct attn_core *core)
{
    pool_run(core->pass->pool, core->pass->batch * core->attn->h, backward_task,
             (void *)(uintptr_t)core);
}

static void head_sum(const struct attn_core *core, size_t b, size_t from, size_t rows, size_t cols,
                     real *p, real *scratch)
{
    (void)scratch;
    const struct attn *a = core->attn;
    for (size_t r = 0; r < rows; r++) {
        memset(p + r * a->t, 0, cols * sizeof *p);
        for (size_t h = 0; h < a->h; h++)
            softmax_add(a->probs + ((b * a->h + h) * a->t + from + r) * a->t, cols, p + r * a->t);
    }
}

const struct attn_kernel attn_kept = {
    .name = "kept",
    .layout = layout,
    .forward = forward,
    .backward = backward,
    .head_sum = head_sum,
};
