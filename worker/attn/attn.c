#include "worker/attn/attn.h"

#include "worker/attn/select.h"
#include "worker/attn/softmax.h"
#include "worker/ops/drop.h"
#include "worker/ops/gemm.h"
#include "worker/ops/rope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct attn_kind attn_kinds[ATTENTION_KINDS] = {
    [ATTENTION_DENSE] = { .name = "dense" },
    [ATTENTION_DSA] = { .name = "dsa",
                        .indexed = true,
                        .masked = true,
                        .select = select_dsa,
                        .learn = select_dsa_learn },
    [ATTENTION_WINDOW] = { .name = "window", .masked = true, .select = select_window },
    [ATTENTION_RANDOM_TOPK] = { .name = "random_topk", .masked = true, .select = select_random },
    [ATTENTION_ORACLE_TOPK] = { .name = "oracle_topk", .masked = true, .select = select_oracle },
};

void attn_shared_layout(struct attn_shared *shared, struct arena *arena,
                        const struct run_spec *spec, size_t batch, int threads)
{
    size_t t = (size_t)spec->data.seq_len, c = (size_t)spec->model.d_model;
    size_t d = c / (size_t)spec->model.heads;
    shared->rope_cos = arena_take(arena, t * (d / 2), sizeof(real));
    shared->rope_sin = arena_take(arena, t * (d / 2), sizeof(real));
    shared->dy = arena_take(arena, batch * t * c, sizeof(real));
    shared->dqkv = arena_take(arena, batch * t * 3 * c, sizeof(real));
    shared->blocks = arena_take(arena, (size_t)threads * 2 * ATTN_BLOCK * t, sizeof(real));
    if (attn_kinds[spec->model.attention.kind].indexed)
        indexer_shared_layout(&shared->indexer, arena, spec, batch, threads);
}

void attn_shared_fill(struct attn_shared *shared, const struct run_spec *spec)
{
    rope_tables((size_t)spec->data.seq_len, (size_t)(spec->model.d_model / spec->model.heads),
                shared->rope_cos, shared->rope_sin);
    if (attn_kinds[spec->model.attention.kind].indexed)
        indexer_shared_fill(&shared->indexer, spec);
}

void attn_layout(struct attn *attn, struct arena *arena, struct attn_shared *shared,
                 const struct run_spec *spec, const struct params *params, int layer, size_t batch)
{
    const struct spec_attention *a = &spec->model.attention;
    char name[80];
    *attn = (struct attn){
        .kind = &attn_kinds[a->kind],
        .shared = shared,
        .t = (size_t)spec->data.seq_len,
        .c = (size_t)spec->model.d_model,
        .h = (size_t)spec->model.heads,
        .k = (size_t)a->top_k,
        .window = (size_t)a->window,
        .sink = (size_t)a->sink,
        .open = a->kind == ATTENTION_DSA && a->selection == SELECTION_PUBLISHED,
    };
    attn->d = attn->c / attn->h;
    snprintf(attn->drop_name, sizeof attn->drop_name, "blocks.%d.attn.probs", layer);
    snprintf(attn->select_name, sizeof attn->select_name, "blocks.%d", layer);
    snprintf(name, sizeof name, "blocks.%d.attn.qkv.weight", layer);
    attn->w_qkv = params->value + params_find(params, name)->offset;
    attn->dw_qkv = params->grad + params_find(params, name)->offset;
    snprintf(name, sizeof name, "blocks.%d.attn.out.weight", layer);
    attn->w_out = params->value + params_find(params, name)->offset;
    attn->dw_out = params->grad + params_find(params, name)->offset;
    size_t n = batch * attn->t;
    attn->qkv = arena_take(arena, n * 3 * attn->c, sizeof(real));
    attn->probs = arena_take(arena, batch * attn->h * attn->t * attn->t, sizeof(real));
    attn->y = arena_take(arena, n * attn->c, sizeof(real));
    if (attn->kind->masked)
        attn->mask = arena_take(arena, n * attn->t, sizeof(uint8_t));
    if (attn->kind->indexed)
        indexer_layout(&attn->indexer, arena, &shared->indexer, spec, params, layer, batch);
}

/* Rotation of the q and k parts of rows [N × 3C], a task a sequence. */
struct turn {
    const struct attn *attn;
    real *rows;
    int inverse;
};

static void turn_task(void *arg, size_t b, int thread)
{
    (void)thread;
    const struct turn *turn = arg;
    const struct attn *a = turn->attn;
    for (size_t t = 0; t < a->t; t++) {
        real *row = turn->rows + (b * a->t + t) * 3 * a->c;
        const real *c = a->shared->rope_cos + t * (a->d / 2);
        const real *s = a->shared->rope_sin + t * (a->d / 2);
        for (size_t head = 0; head < 2 * a->h; head++) /* q's heads, then k's */
            rope_turn(row + head * a->d, a->d, c, s, turn->inverse);
    }
}

struct core {
    struct attn *attn;
    const struct pass *pass;
    struct drop drop;
    real scale; /* D^-½ */
};

static struct core core_of(struct attn *attn, const struct pass *pass)
{
    return (struct core){
        .attn = attn,
        .pass = pass,
        .drop = drop_of(pass->spec->seed, attn->drop_name, pass->spec->model.dropout, pass->step),
        .scale = (real)(1.0 / sqrt((double)attn->d)),
    };
}

/* Keys that a block of queries up to `last` can see. */
static size_t reach(const struct attn *a, size_t last)
{
    return a->open && a->use_mask ? a->t : last + 1;
}

static void forward_rows(const struct core *core, size_t bh, size_t from, size_t rows, size_t cols,
                         real *dropped)
{
    const struct attn *a = core->attn;
    uint8_t keep[ATTN_BLOCK * 8];
    for (size_t r = 0; r < rows; r++) {
        size_t t = from + r;
        real *p = a->probs + (bh * a->t + t) * a->t;
        const uint8_t *mask = a->use_mask ? a->mask + (bh / a->h * a->t + t) * a->t : NULL;
        softmax_forward(p, cols, t + 1, mask);
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
    const struct core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, head = bh % a->h, ld = 3 * a->c;
    const real *q = a->qkv + b * a->t * ld + head * a->d, *k = q + a->c, *v = k + a->c;
    real *dropped = a->shared->blocks + (size_t)thread * 2 * ATTN_BLOCK * a->t;
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        size_t rows = a->t - from < ATTN_BLOCK ? a->t - from : ATTN_BLOCK;
        size_t cols = reach(a, from + rows - 1);
        real *p = a->probs + (bh * a->t + from) * a->t;
        gemm(rows, cols, a->d, core->scale, (struct mat){ q + from * ld, ld, false },
             (struct mat){ k, ld, true }, 0, p, a->t);
        forward_rows(core, bh, from, rows, cols, dropped);
        gemm(rows, a->d, cols, 1,
             (struct mat){ core->drop.threshold == 0 ? p : dropped, a->t, false },
             (struct mat){ v, ld, false }, 0, a->y + (b * a->t + from) * a->c + head * a->d, a->c);
    }
}

static void backward_task(void *arg, size_t bh, int thread)
{
    const struct core *core = arg;
    const struct attn *a = core->attn;
    size_t b = bh / a->h, head = bh % a->h, ld = 3 * a->c, at = b * a->t * ld + head * a->d;
    const real *q = a->qkv + at, *k = q + a->c, *v = k + a->c;
    real *dq = a->shared->dqkv + at, *dk = dq + a->c, *dv = dk + a->c;
    real *dropped = a->shared->blocks + (size_t)thread * 2 * ATTN_BLOCK * a->t;
    real *ds = dropped + ATTN_BLOCK * a->t;
    for (size_t t = 0; t < a->t; t++) {
        memset(dk + t * ld, 0, a->d * sizeof *dk);
        memset(dv + t * ld, 0, a->d * sizeof *dv);
    }
    for (size_t from = 0; from < a->t; from += ATTN_BLOCK) {
        size_t rows = a->t - from < ATTN_BLOCK ? a->t - from : ATTN_BLOCK;
        size_t cols = reach(a, from + rows - 1);
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

void attn_forward(struct attn *attn, const struct pass *pass, const real *x, real *out)
{
    size_t n = pass->batch * attn->t, c = attn->c;
    gemm_shared(pass->pool, n, 3 * c, c, (struct mat){ x, c, false },
                (struct mat){ attn->w_qkv, c, true }, 0, attn->qkv, 3 * c);
    pool_run(pass->pool, pass->batch, turn_task, &(struct turn){ attn, attn->qkv, 0 });
    attn->use_mask = attn->kind->select != NULL && !pass->dense;
    if (attn->kind->select != NULL)
        attn->kind->select(attn, pass, x);
    struct core core = core_of(attn, pass);
    pool_run(pass->pool, pass->batch * attn->h, forward_task, &core);
    gemm_shared(pass->pool, n, c, c, (struct mat){ attn->y, c, false },
                (struct mat){ attn->w_out, c, true }, 0, out, c);
}

double attn_backward(struct attn *attn, const struct pass *pass, const real *x, const real *dout,
                     real *dx)
{
    size_t n = pass->batch * attn->t, c = attn->c;
    struct attn_shared *shared = attn->shared;
    gemm_shared(pass->pool, c, c, n, (struct mat){ dout, c, true },
                (struct mat){ attn->y, c, false }, 1, attn->dw_out, c);
    gemm_shared(pass->pool, n, c, c, (struct mat){ dout, c, false },
                (struct mat){ attn->w_out, c, false }, 0, shared->dy, c);
    struct core core = core_of(attn, pass);
    pool_run(pass->pool, pass->batch * attn->h, backward_task, &core);
    pool_run(pass->pool, pass->batch, turn_task, &(struct turn){ attn, shared->dqkv, 1 });
    gemm_shared(pass->pool, 3 * c, c, n, (struct mat){ shared->dqkv, 3 * c, true },
                (struct mat){ x, c, false }, 1, attn->dw_qkv, c);
    gemm_shared(pass->pool, n, c, 3 * c, (struct mat){ shared->dqkv, 3 * c, false },
                (struct mat){ attn->w_qkv, c, false }, 0, dx, c);
    return attn->kind->learn != NULL && pass->kl_scale > 0 ? attn->kind->learn(attn, pass, x) : 0;
}
