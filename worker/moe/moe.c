/* Tokens are sorted by expert, so that the rows of an expert are one matrix; products go over tiles
 * of those rows, forward and back. */
#include "worker/moe/moe.h"

#include "worker/moe/router.h"
#include "worker/ops/act.h"
#include "worker/ops/dots.h"
#include "worker/ops/drop.h"
#include "worker/ops/gemm.h"

#include <stdio.h>
#include <string.h>

enum { TILE = 128, TOKENS = 64 };

void moe_shared_layout(struct moe_shared *shared, struct arena *arena, const struct run_spec *spec,
                       size_t batch, int threads)
{
    const struct spec_model *m = &spec->model;
    size_t n = batch * (size_t)spec->data.seq_len, rows = n * (size_t)m->experts_per_token;
    shared->dg = arena_take(arena, n * (size_t)m->experts, sizeof(real));
    if (m->experts > 1)
        shared->gate =
            arena_take(arena, dots_rows((size_t)m->experts) * (size_t)m->d_model, sizeof(real));
    shared->slope = arena_take(arena, (size_t)m->experts, sizeof(real));
    shared->dy = arena_take(arena, rows * (size_t)m->d_model, sizeof(real));
    shared->dx = arena_take(arena, rows * (size_t)m->d_model, sizeof(real));
    shared->dh = arena_take(arena, rows * (size_t)m->d_ff, sizeof(real));
    shared->pad_reals = DOTS_PANEL * (size_t)(m->d_ff > m->d_model ? m->d_ff : m->d_model);
    shared->pad = arena_take(arena, (size_t)threads * shared->pad_reals, sizeof(real));
    if (m->activation == ACTIVATION_SWIGLU)
        shared->du = arena_take(arena, rows * (size_t)m->d_ff, sizeof(real));
}

static const struct tensor *part(const struct params *params, int layer, const char *format,
                                 size_t e)
{
    char name[80], tail[60];
    snprintf(tail, sizeof tail, format, e);
    snprintf(name, sizeof name, "blocks.%d.moe.%s", layer, tail);
    return params_find(params, name);
}

void moe_layout(struct moe *moe, struct arena *arena, struct moe_shared *shared,
                const struct run_spec *spec, const struct params *params, int layer, size_t batch)
{
    const struct spec_model *m = &spec->model;
    *moe = (struct moe){
        .shared = shared,
        .t = (size_t)spec->data.seq_len,
        .c = (size_t)m->d_model,
        .f = (size_t)m->d_ff,
        .e = (size_t)m->experts,
        .k = (size_t)m->experts_per_token,
        .gated = m->activation == ACTIVATION_SWIGLU,
    };
    size_t n = batch * moe->t, rows = n * moe->k;
    snprintf(moe->drop_name, sizeof moe->drop_name, "blocks.%d.moe.hidden", layer);
    snprintf(moe->noise_name, sizeof moe->noise_name, "blocks.%d", layer);
    moe->experts = arena_take(arena, moe->e, sizeof *moe->experts);
    moe->g = arena_take(arena, n * moe->e, sizeof(real));
    moe->probs = arena_take(arena, n * moe->e, sizeof(real));
    moe->weight = arena_take(arena, rows, sizeof(real));
    moe->chosen = arena_take(arena, rows, sizeof(int32_t));
    moe->row = arena_take(arena, rows, sizeof(int32_t));
    moe->token = arena_take(arena, rows, sizeof(int32_t));
    moe->first = arena_take(arena, moe->e + 1, sizeof(size_t));
    moe->tiles = arena_take(arena, rows / TILE + moe->e, sizeof *moe->tiles);
    moe->x = arena_take(arena, rows * moe->c, sizeof(real));
    moe->h = arena_take(arena, rows * moe->f, sizeof(real));
    moe->a = arena_take(arena, rows * moe->f, sizeof(real));
    moe->y = arena_take(arena, rows * moe->c, sizeof(real));
    moe->keep = arena_take(arena, rows * moe->f, sizeof(uint8_t));
    if (moe->gated)
        moe->u = arena_take(arena, rows * moe->f, sizeof(real));
    if (arena->base == NULL)
        return;
    const struct tensor *gate = part(params, layer, "gate.weight", 0);
    moe->w_gate = gate != NULL ? params->value + gate->offset : NULL;
    moe->dw_gate = gate != NULL ? params->grad + gate->offset : NULL;
    for (size_t e = 0; e < moe->e; e++) {
        const struct tensor *w1 = part(params, layer, "experts.%zu.w1.weight", e);
        const struct tensor *w2 = part(params, layer, "experts.%zu.w2.weight", e);
        const struct tensor *w3 = part(params, layer, "experts.%zu.w3.weight", e);
        moe->experts[e] = (struct moe_expert){
            .w1 = params->value + w1->offset,
            .w2 = params->value + w2->offset,
            .w3 = w3 != NULL ? params->value + w3->offset : NULL,
            .dw1 = params->grad + w1->offset,
            .dw2 = params->grad + w2->offset,
            .dw3 = w3 != NULL ? params->grad + w3->offset : NULL,
        };
    }
}

/* Gathered rows by expert, tokens in order; tiles of at most TILE rows of one expert. */
static void assign(struct moe *moe, size_t n)
{
    memset(moe->first, 0, (moe->e + 1) * sizeof *moe->first);
    for (size_t i = 0; i < n * moe->k; i++)
        moe->first[moe->chosen[i] + 1]++;
    for (size_t e = 0; e < moe->e; e++)
        moe->first[e + 1] += moe->first[e];
    for (size_t e = 0; e < moe->e; e++) {
        size_t at = moe->first[e];
        for (size_t i = 0; i < n * moe->k; i++)
            if ((size_t)moe->chosen[i] == e) {
                moe->token[at] = (int32_t)(i / moe->k);
                moe->row[i] = (int32_t)at++;
            }
    }
    moe->tiles_n = 0;
    for (size_t e = 0; e < moe->e; e++)
        for (size_t row = moe->first[e]; row < moe->first[e + 1]; row += TILE) {
            size_t left = moe->first[e + 1] - row;
            moe->tiles[moe->tiles_n++] = (struct moe_tile){ e, row, left < TILE ? left : TILE };
        }
}

struct work {
    struct moe *moe;
    const struct batch_pass *pass;
    struct drop drop;
    const real *x, *dout, *dg;
    real *out, *dx;
    size_t n;
};

static struct work work_of(struct moe *moe, const struct batch_pass *pass)
{
    return (struct work){
        .moe = moe,
        .pass = pass,
        .drop = drop_of(pass->spec->seed, moe->drop_name, pass->spec->model.dropout, pass->step,
                        pass->first * moe->t * moe->e * moe->f),
        .n = pass->batch * moe->t,
    };
}

/* c[rows × n] = a[rows × k]·bᵀ: gathered rows, of which there are as many as the batch sends. */
static void product(const struct work *w, int thread, size_t rows, size_t n, size_t k,
                    const real *a, const real *b, real *c)
{
    real *pad = w->moe->shared->pad + (size_t)thread * w->moe->shared->pad_reals;
    if (w->pass->row_invariant)
        dots_alone(rows, n, k, a, b, pad, c);
    else
        gemm(rows, n, k, 1, (struct mat){ a, k, false }, (struct mat){ b, k, true }, 0, c, n);
}

/* h = x·w1ᵀ, u = x·w3ᵀ when gated; a = what the activation and dropout make of them. */
static void hidden_layer(const struct work *w, int thread, const struct moe_tile *tile)
{
    const struct moe *m = w->moe;
    const struct moe_expert *expert = &m->experts[tile->expert];
    size_t at = tile->row * m->f;
    const real *x = m->x + tile->row * m->c;
    product(w, thread, tile->rows, m->f, m->c, x, expert->w1, m->h + at);
    if (m->gated)
        product(w, thread, tile->rows, m->f, m->c, x, expert->w3, m->u + at);
    for (size_t r = 0; r < tile->rows; r++, at += m->f) {
        size_t token = (size_t)m->token[tile->row + r];
        uint8_t *keep = m->keep + at;
        drop_mask(&w->drop, (token * m->e + tile->expert) * m->f, m->f, keep);
        if (m->gated)
            act_swiglu_drop(m->h + at, m->u + at, keep, w->drop.scale, m->f, m->a + at);
        else
            act_silu_drop(m->h + at, keep, w->drop.scale, m->f, m->a + at);
    }
}

static void forward_tile(void *arg, size_t i, int thread)
{
    const struct work *w = arg;
    const struct moe *m = w->moe;
    const struct moe_tile tile = m->tiles[i];
    real *x = m->x + tile.row * m->c;
    for (size_t r = 0; r < tile.rows; r++)
        memcpy(x + r * m->c, w->x + (size_t)m->token[tile.row + r] * m->c, m->c * sizeof *x);
    hidden_layer(w, thread, &tile);
    product(w, thread, tile.rows, m->c, m->f, m->a + tile.row * m->f, m->experts[tile.expert].w2,
            m->y + tile.row * m->c);
}

/* out[token] = Σ weight·y, in the order of the token's choices. */
static void combine_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct work *w = arg;
    const struct moe *m = w->moe;
    for (size_t n = i * TOKENS; n < (i + 1) * TOKENS && n < w->n; n++) {
        real *out = w->out + n * m->c;
        memset(out, 0, m->c * sizeof *out);
        for (size_t k = 0; k < m->k; k++) {
            const real *y = m->y + (size_t)m->row[n * m->k + k] * m->c;
            real weight = m->weight[n * m->k + k];
            for (size_t c = 0; c < m->c; c++)
                out[c] += weight * y[c];
        }
    }
}

void moe_forward(struct moe *moe, const struct batch_pass *pass, const real *x, real *out,
                 struct moe_stats *ret)
{
    struct work w = work_of(moe, pass);
    w.x = x;
    w.out = out;
    router_forward(moe, pass, x);
    assign(moe, w.n);
    pool_run(pass->pool, moe->tiles_n, forward_tile, &w);
    pool_run(pass->pool, (w.n + TOKENS - 1) / TOKENS, combine_task, &w);
    router_stats(moe, w.n, ret);
}

static void backward_tile(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct work *w = arg;
    const struct moe *m = w->moe;
    const struct moe_shared *s = m->shared;
    const struct moe_tile tile = m->tiles[i];
    const struct moe_expert *expert = &m->experts[tile.expert];
    size_t at = tile.row * m->f, n = tile.rows * m->f;
    real *dy = s->dy + tile.row * m->c, *dh = s->dh + at, *dx = s->dx + tile.row * m->c;
    gemm(tile.rows, m->f, m->c, 1, (struct mat){ dy, m->c, false },
         (struct mat){ expert->w2, m->f, false }, 0, dh, m->f);
    if (m->gated)
        act_swiglu_drop_backward(m->h + at, m->u + at, m->keep + at, w->drop.scale, n, dh,
                                 s->du + at);
    else
        act_silu_drop_backward(m->h + at, m->keep + at, w->drop.scale, n, dh);
    gemm(tile.rows, m->c, m->f, 1, (struct mat){ dh, m->f, false },
         (struct mat){ expert->w1, m->c, false }, 0, dx, m->c);
    if (m->gated)
        gemm(tile.rows, m->c, m->f, 1, (struct mat){ s->du + at, m->f, false },
             (struct mat){ expert->w3, m->c, false }, 1, dx, m->c);
}

/* Weights: a task is one strip of one matrix of one expert. */
enum { STRIP = 128 };

static size_t strips(size_t rows)
{
    return (rows + STRIP - 1) / STRIP;
}

static size_t strips_of(const struct moe *m)
{
    return strips(m->f) + strips(m->c) + (m->gated ? strips(m->f) : 0);
}

/* dw [rows × cols] += dᵀ·in over the expert's gathered rows. */
struct factor {
    const real *d, *in;
    size_t rows, cols;
    real *dw;
};

static void weight_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct work *w = arg;
    const struct moe *m = w->moe;
    const struct moe_shared *s = m->shared;
    size_t e = i / strips_of(m), strip = i % strips_of(m), first = m->first[e];
    size_t gathered = m->first[e + 1] - first;
    if (gathered == 0)
        return;
    const struct moe_expert *expert = &m->experts[e];
    const struct factor factors[] = {
        { s->dh, m->x, m->f, m->c, expert->dw1 },
        { s->dy, m->a, m->c, m->f, expert->dw2 },
        { s->du, m->x, m->f, m->c, expert->dw3 },
    }, *of = factors;
    for (; strip >= strips(of->rows); of++)
        strip -= strips(of->rows);
    size_t at = strip * STRIP, n = of->rows - at < STRIP ? of->rows - at : STRIP;
    gemm(n, of->cols, gathered, 1, (struct mat){ of->d + first * of->rows + at, of->rows, true },
         (struct mat){ of->in + first * of->cols, of->cols, false }, 1, of->dw + at * of->cols,
         of->cols);
}

/* dy = weight·dout for each choice, and ∂/∂weight = dout·y, which the router turns into dg. */
static void scatter_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct work *w = arg;
    const struct moe *m = w->moe;
    for (size_t n = i * TOKENS; n < (i + 1) * TOKENS && n < w->n; n++) {
        real dweight[ROUTER_MAX_CHOICES];
        for (size_t k = 0; k < m->k; k++) {
            size_t row = (size_t)m->row[n * m->k + k];
            dweight[k] = act_scale_dot(w->dout + n * m->c, m->y + row * m->c,
                                       m->weight[n * m->k + k], m->c, m->shared->dy + row * m->c);
        }
        router_backward_token(m, n, dweight);
    }
}

static void gather_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct work *w = arg;
    const struct moe *m = w->moe;
    for (size_t n = i * TOKENS; n < (i + 1) * TOKENS && n < w->n; n++)
        for (size_t k = 0; k < m->k; k++) {
            const real *from = m->shared->dx + (size_t)m->row[n * m->k + k] * m->c;
            real *to = w->dx + n * m->c;
            for (size_t c = 0; c < m->c; c++)
                to[c] = (k == 0 ? 0 : to[c]) + from[c];
        }
}

void moe_backward(struct moe *moe, const struct batch_pass *pass, const real *x, const real *dout,
                  real *dx)
{
    struct work w = work_of(moe, pass);
    w.x = x;
    w.dout = dout;
    w.dx = dx;
    size_t blocks = (w.n + TOKENS - 1) / TOKENS;
    router_backward_begin(moe, pass);
    pool_run(pass->pool, blocks, scatter_task, &w);
    pool_run(pass->pool, moe->tiles_n, backward_tile, &w);
    pool_run(pass->pool, moe->e * strips_of(moe), weight_task, &w);
    pool_run(pass->pool, blocks, gather_task, &w);
    router_backward(moe, pass, x, dx);
}
