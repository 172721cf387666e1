/* The kernel of long sequences (Dao et al., FlashAttention, 2022): a block of queries walks over
 * tiles of keys and keeps, a row, the largest score and the sum of exponentials so far; what it has
 * added up is scaled when the largest score rises. The backward pass makes the probabilities again
 * from the logarithm of that sum. A task is one head of one sequence, so dk and dv have one writer.
 */
#include "worker/attn/kernel.h"
#include "worker/attn/softmax.h"
#include "worker/base/planted.h"
#include "worker/ops/gemm.h"

#include <string.h>

enum { TILE = ATTN_TILE };

static void layout(struct attn *attn, struct arena *arena, size_t batch)
{
    if (attn->lse == NULL)
        attn->lse = arena_take(arena, batch * attn->h * attn->t, sizeof(real));
}

/* One tile of keys of one block of queries. */
struct tile {
    size_t bh, from, rows; /* queries */
    size_t at, n;          /* keys */
    bool blind;            /* the mask is passed over, when that is planted */
};

static size_t visible_in(const struct tile *tile, size_t r)
{
    size_t t = tile->from + r;
    return t < tile->at ? 0 : t + 1 - tile->at < tile->n ? t + 1 - tile->at : tile->n;
}

static const uint8_t *mask_of(const struct attn *a, const struct tile *tile, size_t r)
{
    const uint8_t *row = attn_mask_row(a, tile->bh / a->h * a->t + tile->from + r);
    return row != NULL && !tile->blind ? row + tile->at : NULL;
}

static void keep_of(const struct attn_core *core, const struct tile *tile, size_t r, uint8_t *keep)
{
    const struct attn *a = core->attn;
    drop_mask(&core->drop, (tile->bh * a->t + tile->from + r) * a->t + tile->at, tile->n, keep);
}

static void scores_of(const struct attn_core *core, const struct tile *tile, real *s)
{
    const struct attn *a = core->attn;
    size_t b = tile->bh / a->h, head = tile->bh % a->h, ld = 3 * a->c;
    gemm(tile->rows, tile->n, a->d, core->scale,
         (struct mat){ attn_head(a, b, head, 0) + tile->from * ld, ld, false },
         (struct mat){ attn_head(a, b, head, 1) + tile->at * ld, ld, true }, 0, s, TILE);
}

static void scale_row(real *x, size_t n, real by)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
}

static void forward_block(const struct attn_core *core, struct tile tile, real *s)
{
    const struct attn *a = core->attn;
    size_t b = tile.bh / a->h, head = tile.bh % a->h,
           reach = attn_reach(a, tile.from + tile.rows - 1);
    real *y = a->y + (b * a->t + tile.from) * a->c + head * a->d;
    real most[ATTN_BLOCK], sum[ATTN_BLOCK];
    uint8_t keep[TILE];
    for (size_t r = 0; r < tile.rows; r++) {
        most[r] = SOFTMAX_HIDDEN;
        sum[r] = 0;
        memset(y + r * a->c, 0, a->d * sizeof *y);
    }
    for (tile.at = 0; tile.at < reach; tile.at += tile.n) {
        tile.n = reach - tile.at < TILE ? reach - tile.at : TILE;
        scores_of(core, &tile, s);
        for (size_t r = 0; r < tile.rows; r++) {
            real *row = s + r * TILE;
            scale_row(y + r * a->c, a->d,
                      softmax_online(row, tile.n, visible_in(&tile, r), mask_of(a, &tile, r),
                                     &most[r], &sum[r]));
            if (core->drop.threshold == 0)
                continue;
            keep_of(core, &tile, r, keep);
            softmax_keep(row, tile.n, keep, core->drop.scale);
        }
        gemm(tile.rows, a->d, tile.n, 1, (struct mat){ s, TILE, false },
             (struct mat){ attn_head(a, b, head, 2) + tile.at * 3 * a->c, 3 * a->c, false }, 1, y,
             a->c);
    }
    for (size_t r = 0; r < tile.rows; r++) {
        scale_row(y + r * a->c, a->d, 1 / sum[r]);
        a->lse[tile.bh * a->t + tile.from + r] = softmax_lse(most[r], sum[r]);
    }
}

static void forward_task(void *arg, size_t bh, int thread)
{
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        size_t rows = attn_block_rows(a, from);
        forward_block(core, (struct tile){ .bh = bh, .from = from, .rows = rows },
                      attn_block(a, thread, 0));
    }
}

static void forward(const struct attn_core *core)
{
    pool_run(core->pass->pool, core->pass->batch * core->attn->h, forward_task,
             (void *)(uintptr_t)core);
}

/* Σ p·dp of a row, dropout included, is y·dy. */
static void along_of(const struct attn *a, const struct tile *tile, const real *dy, real *along)
{
    const real *y = a->y + (dy - a->shared->dy);
    for (size_t r = 0; r < tile->rows; r++) {
        along[r] = 0;
        for (size_t i = 0; i < a->d; i++)
            along[r] += y[r * a->c + i] * dy[r * a->c + i];
    }
}

static void backward_tile(const struct attn_core *core, const struct tile *tile, const real *dy,
                          const real *along, real *p, real *ds)
{
    const struct attn *a = core->attn;
    size_t b = tile->bh / a->h, head = tile->bh % a->h, ld = 3 * a->c;
    const real *q = attn_head(a, b, head, 0) + tile->from * ld,
               *k = attn_head(a, b, head, 1) + tile->at * ld,
               *v = attn_head(a, b, head, 2) + tile->at * ld;
    real *dq = attn_dhead(a, b, head, 0) + tile->from * ld,
         *dk = attn_dhead(a, b, head, 1) + tile->at * ld,
         *dv = attn_dhead(a, b, head, 2) + tile->at * ld;
    uint8_t keep[TILE];
    scores_of(core, tile, p);
    gemm(tile->rows, tile->n, a->d, 1, (struct mat){ dy, a->c, false }, (struct mat){ v, ld, true },
         0, ds, TILE);
    for (size_t r = 0; r < tile->rows; r++) {
        keep_of(core, tile, r, keep);
        softmax_again(p + r * TILE, tile->n, visible_in(tile, r), mask_of(a, tile, r),
                      a->lse[tile->bh * a->t + tile->from + r]);
        softmax_back(p + r * TILE, ds + r * TILE, tile->n, keep, core->drop.scale, along[r],
                     core->scale);
    }
    gemm(tile->n, a->d, tile->rows, 1, (struct mat){ p, TILE, true },
         (struct mat){ dy, a->c, false }, 1, dv, ld);
    gemm(tile->rows, a->d, tile->n, 1, (struct mat){ ds, TILE, false },
         (struct mat){ k, ld, false }, tile->at == 0 ? 0 : 1, dq, ld);
    gemm(tile->n, a->d, tile->rows, 1, (struct mat){ ds, TILE, true }, (struct mat){ q, ld, false },
         1, dk, ld);
}

static void backward_task(void *arg, size_t bh, int thread)
{
    const struct attn_core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, head = bh % a->h;
    real along[ATTN_BLOCK];
    attn_clear_dhead(a, b, head);
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        size_t rows = attn_block_rows(a, from);
        size_t reach = attn_reach(a, from + rows - 1);
        struct tile tile = { .bh = bh, .from = from, .rows = rows, .blind = planted("flash_mask") };
        const real *dy = a->shared->dy + (b * a->t + from) * a->c + head * a->d;
        along_of(a, &tile, dy, along);
        for (; tile.at < reach; tile.at += tile.n) {
            tile.n = reach - tile.at < TILE ? reach - tile.at : TILE;
            backward_tile(core, &tile, dy, along, attn_block(a, thread, 0),
                          attn_block(a, thread, 1));
        }
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
    const struct attn *a = core->attn;
    for (size_t r = 0; r < rows; r++)
        memset(p + r * a->t, 0, cols * sizeof *p);
    for (size_t h = 0; h < a->h; h++) {
        struct tile tile = { .bh = b * a->h + h, .from = from, .rows = rows };
        for (; tile.at < cols; tile.at += tile.n) {
            tile.n = cols - tile.at < TILE ? cols - tile.at : TILE;
            scores_of(core, &tile, scratch);
            for (size_t r = 0; r < rows; r++) {
                softmax_again(scratch + r * TILE, tile.n, visible_in(&tile, r),
                              mask_of(a, &tile, r), a->lse[tile.bh * a->t + from + r]);
                softmax_add(scratch + r * TILE, tile.n, p + r * a->t + tile.at);
            }
        }
    }
}

const struct attn_kernel attn_flash = {
    .name = "flash",
    .layout = layout,
    .forward = forward,
    .backward = backward,
    .head_sum = head_sum,
};
