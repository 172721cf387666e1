/* Projections, scores, and two ways back: from the gradients of a whole matrix of scores, and from
 * those of lists of keys, whose dk is added up in parts that the shape fixes. */
#include "worker/attn/indexer.h"

#include "common/spec/attention.h"
#include "worker/ops/act.h"
#include "worker/ops/dots.h"
#include "worker/ops/gemm.h"
#include "worker/ops/layernorm.h"
#include "worker/ops/rope.h"
#include "worker/ops/sparse.h"
#include "worker/ops/vmath.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void indexer_shared_layout(struct indexer_shared *shared, struct arena *arena,
                           const struct run_spec *spec, size_t batch, int threads)
{
    size_t t = (size_t)spec->data.seq_len, n = batch * t, ji = 0, i = 0, j = 0;
    size_t c = (size_t)spec->model.d_model;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct spec_attention *a = run_spec_attention(spec, layer);
        if (!attention_is_indexed(a))
            continue;
        ji = larger(ji, (size_t)(a->indexer_heads * a->indexer_dim));
        i = larger(i, (size_t)a->indexer_dim);
        j = larger(j, (size_t)a->indexer_heads);
    }
    if (j == 0)
        return;
    shared->dq = arena_take(arena, n * ji, sizeof(real));
    shared->dk = arena_take(arena, n * i, sizeof(real));
    shared->dw = arena_take(arena, n * j, sizeof(real));
    shared->dk_norm = arena_take(arena, 2 * batch * i, sizeof(real));
    shared->weight = arena_take(arena, dots_rows(larger(ji, larger(i, j))) * c, sizeof(real));
    shared->keys = arena_take(arena, batch * dots_rows(t) * i, sizeof(real));
    shared->block = arena_take(arena, (size_t)threads * INDEXER_BLOCK * t, sizeof(real));
    shared->parts = (INDEXER_PARTS + batch - 1) / batch;
    shared->dk_parts = arena_take(arena, batch * shared->parts * t * i, sizeof(real));
}

static const struct tensor *part(const struct params *params, int layer, const char *name)
{
    char full[80];
    snprintf(full, sizeof full, "blocks.%d.attn.indexer.%s", layer, name);
    return params_find(params, full);
}

void indexer_layout(struct indexer *indexer, struct arena *arena, struct indexer_shared *shared,
                    const struct run_spec *spec, const struct params *params, int layer,
                    size_t batch, bool keep_scores)
{
    const struct spec_attention *a = run_spec_attention(spec, layer);
    const struct tensor *q = part(params, layer, "q.weight"), *k = part(params, layer, "k.weight"),
                        *w = part(params, layer, "w.weight");
    *indexer = (struct indexer){
        .shared = shared,
        .t = (size_t)spec->data.seq_len,
        .c = (size_t)spec->model.d_model,
        .j = (size_t)a->indexer_heads,
        .i = (size_t)a->indexer_dim,
        .scale = 1,
        .w_q = params->value + q->offset,
        .w_k = params->value + k->offset,
        .w_w = params->value + w->offset,
        .dw_q = params->grad + q->offset,
        .dw_k = params->grad + k->offset,
        .dw_w = params->grad + w->offset,
    };
    if (a->indexer_training == INDEXER_KL)
        indexer->scale = (real)(1.0 / sqrt((double)(a->indexer_heads * a->indexer_dim)));
    size_t n = batch * indexer->t;
    if (a->indexer_norm) {
        const struct tensor *gain = part(params, layer, "k_norm.weight"),
                            *bias = part(params, layer, "k_norm.bias");
        indexer->norm_w = params->value + gain->offset;
        indexer->norm_b = params->value + bias->offset;
        indexer->dnorm_w = params->grad + gain->offset;
        indexer->dnorm_b = params->grad + bias->offset;
        indexer->k_hat = arena_take(arena, n * indexer->i, sizeof(real));
        indexer->k_rstd = arena_take(arena, n, sizeof(real));
    }
    if (a->indexer_rope) {
        indexer->rope_cos = arena_take(arena, indexer->t * (indexer->i / 4), sizeof(real));
        indexer->rope_sin = arena_take(arena, indexer->t * (indexer->i / 4), sizeof(real));
    }
    if (indexer->rope_cos != NULL)
        rope_tables(indexer->t, indexer->i / 2, indexer->rope_cos, indexer->rope_sin);
    indexer->q = arena_take(arena, n * indexer->j * indexer->i, sizeof(real));
    indexer->k = arena_take(arena, n * indexer->i, sizeof(real));
    indexer->w = arena_take(arena, n * indexer->j, sizeof(real));
    if (keep_scores)
        indexer->scores = arena_take(arena, n * indexer->t, sizeof(real));
}

/* The indexer's own RoPE on a row of q (its heads) or of k (one head). */
static void turn(const struct indexer *x, real *row, size_t heads, size_t t, int inverse)
{
    size_t at = t * (x->i / 4);
    for (size_t head = 0; x->rope_cos != NULL && head < heads; head++)
        rope_turn_halves(row + head * x->i, x->i / 2, x->rope_cos + at, x->rope_sin + at, inverse);
}

static real *keys_of(const struct indexer *x, size_t b)
{
    return x->shared->keys + b * dots_rows(x->t) * x->i;
}

/* What comes after the projections, a task some panels of a sequence's keys. */
enum { SHAPED = 2 * DOTS_PANEL };

static void shape_task(void *arg, size_t task, int thread)
{
    (void)thread;
    const struct indexer *x = arg;
    size_t tasks = (x->t + SHAPED - 1) / SHAPED, b = task / tasks, from = task % tasks * SHAPED;
    size_t to = from + SHAPED < x->t ? from + SHAPED : x->t;
    for (size_t t = from; t < to; t++) {
        size_t row = b * x->t + t;
        real *k = x->k + row * x->i;
        if (x->norm_w != NULL)
            x->k_rstd[row] =
                layernorm_forward(k, x->i, x->norm_w, x->norm_b, k, x->k_hat + row * x->i);
        turn(x, k, 1, t, 0);
        turn(x, x->q + row * x->j * x->i, x->j, t, 0);
    }
    dots_pack(to - from, x->i, x->k + (b * x->t + from) * x->i, x->i, keys_of(x, b) + from * x->i);
}

/* And back, from dq and dk to the gradients of the projections' outputs. */
static void unshape(const struct indexer *x, size_t b)
{
    const struct indexer_shared *s = x->shared;
    real *dw = s->dk_norm + 2 * b * x->i, *db = dw + x->i;
    memset(dw, 0, 2 * x->i * sizeof *dw);
    for (size_t t = 0; t < x->t; t++) {
        size_t row = b * x->t + t;
        real *dk = s->dk + row * x->i;
        turn(x, s->dq + row * x->j * x->i, x->j, t, 1);
        turn(x, dk, 1, t, 1);
        if (x->norm_w != NULL)
            layernorm_backward(dk, x->i, x->norm_w, x->k_hat + row * x->i, x->k_rstd[row], dw, db);
    }
}

SIMD static void add_row(real *restrict to, const real *restrict from, size_t n)
{
    for (size_t k = 0; k < n; k++)
        to[k] += from[k];
}

void indexer_scores(const struct indexer *indexer, size_t b, size_t from, size_t rows, real *scores)
{
    const struct indexer *x = indexer;
    size_t row = b * x->t + from;
    const struct dots_heads heads = { .rows = rows,
                                      .heads = x->j,
                                      .k = x->i,
                                      .from = from,
                                      .a = x->q + row * x->j * x->i,
                                      .weight = x->w + row * x->j,
                                      .by = x->scale,
                                      .keys = keys_of(x, b) };
    dots_kernels()->relu_sum(&heads, scores, x->t);
}

void indexer_forward(struct indexer *indexer, const struct batch_pass *pass, const real *x)
{
    size_t n = pass->batch * indexer->t, c = indexer->c;
    real *packed = indexer->shared->weight;
    dots_shared(pass->pool, n, indexer->j * indexer->i, c, x, indexer->w_q, packed, indexer->q);
    dots_shared(pass->pool, n, indexer->i, c, x, indexer->w_k, packed, indexer->k);
    dots_shared(pass->pool, n, indexer->j, c, x, indexer->w_w, packed, indexer->w);
    pool_run(pass->pool, pass->batch * ((indexer->t + SHAPED - 1) / SHAPED), shape_task, indexer);
}

/* dots becomes ∂/∂dots where the gate was open, else 0; returns Σ dI·relu(dots), which is ∂/∂w. */
SIMD static real gate(real *dots, const real *dscore, size_t n, real weight)
{
    real lanes[SIMD_LANES] = { 0 };
    size_t k = 0;
    for (; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++) {
            real dot = dots[k + (size_t)j], d = dscore[k + (size_t)j];
            lanes[j] += d * (dot > 0 ? dot : 0);
            dots[k + (size_t)j] = dot > 0 ? d * weight : 0;
        }
    for (int j = 0; k < n; k++, j++) {
        real dot = dots[k], d = dscore[k];
        lanes[j] += d * (dot > 0 ? dot : 0);
        dots[k] = dot > 0 ? d * weight : 0;
    }
    return lanes_total(lanes);
}

/* One sequence: dk sums over its queries, in order. */
static void backward_task(void *arg, size_t b, int thread)
{
    const struct indexer *x = arg;
    const struct indexer_shared *s = x->shared;
    size_t ji = x->j * x->i;
    real *block = s->block + (size_t)thread * INDEXER_BLOCK * x->t;
    memset(s->dk + b * x->t * x->i, 0, x->t * x->i * sizeof *s->dk);
    for (size_t from = 0; from < x->t; from += INDEXER_BLOCK) {
        size_t rows = x->t - from < INDEXER_BLOCK ? x->t - from : INDEXER_BLOCK, cols = from + rows;
        real *dscores = x->scores + (b * x->t + from) * x->t;
        for (size_t r = 0; r < rows; r++)
            act_scale(dscores + r * x->t, x->scale, cols);
        for (size_t head = 0; head < x->j; head++) {
            size_t at = (b * x->t + from) * ji + head * x->i;
            gemm(rows, cols, x->i, 1, (struct mat){ x->q + at, ji, false },
                 (struct mat){ x->k + b * x->t * x->i, x->i, true }, 0, block, x->t);
            for (size_t r = 0; r < rows; r++) {
                size_t row = b * x->t + from + r;
                s->dw[row * x->j + head] =
                    gate(block + r * x->t, dscores + r * x->t, cols, x->w[row * x->j + head]);
            }
            gemm(rows, x->i, cols, 1, (struct mat){ block, x->t, false },
                 (struct mat){ x->k + b * x->t * x->i, x->i, false }, 0, s->dq + at, ji);
            gemm(cols, x->i, rows, 1, (struct mat){ block, x->t, true },
                 (struct mat){ x->q + at, ji, false }, 1, s->dk + b * x->t * x->i, x->i);
        }
    }
    if (x->rope_cos != NULL || x->norm_w != NULL)
        unshape(x, b);
}

static void add_norm_gradients(const struct indexer *x, size_t batch)
{
    for (size_t b = 0; x->norm_w != NULL && b < batch; b++)
        for (size_t k = 0; k < x->i; k++) {
            x->dnorm_w[k] += x->shared->dk_norm[2 * b * x->i + k];
            x->dnorm_b[k] += x->shared->dk_norm[(2 * b + 1) * x->i + k];
        }
}

static void weights_backward(struct indexer *indexer, const struct batch_pass *pass, const real *x)
{
    size_t n = pass->batch * indexer->t, c = indexer->c, ji = indexer->j * indexer->i;
    const struct indexer_shared *s = indexer->shared;
    const struct mat in = { x, c, false };
    add_norm_gradients(indexer, pass->batch);
    gemm_shared(pass->pool, ji, c, n, (struct mat){ s->dq, ji, true }, in, 1, indexer->dw_q, c);
    gemm_shared(pass->pool, indexer->i, c, n, (struct mat){ s->dk, indexer->i, true }, in, 1,
                indexer->dw_k, c);
    gemm_shared(pass->pool, indexer->j, c, n, (struct mat){ s->dw, indexer->j, true }, in, 1,
                indexer->dw_w, c);
}

void indexer_backward(struct indexer *indexer, const struct batch_pass *pass, const real *x)
{
    pool_run(pass->pool, pass->batch, backward_task, indexer);
    weights_backward(indexer, pass, x);
}

struct listing {
    const struct indexer *indexer;
    const struct indexer_lists *lists;
};

/* One query: its dq and dw, and what it adds to dk. */
static void backward_list(const struct listing *l, size_t row, real *dk, int32_t *at, real *r)
{
    const struct indexer *x = l->indexer;
    const struct indexer_shared *s = x->shared;
    const struct sparse_kernels *kernels = sparse_kernels(x->i);
    const int32_t *keys = l->lists->keys + row * l->lists->k;
    real *dscores = l->lists->dscores + row * l->lists->k;
    const real *k = x->k + row / x->t * x->t * x->i;
    size_t n = (size_t)l->lists->n[row];
    for (size_t i = 0; i < n; i++)
        at[i] = keys[i] * (int32_t)x->i;
    act_scale(dscores, x->scale, n);
    for (size_t head = 0; head < x->j; head++) {
        const real *q = x->q + (row * x->j + head) * x->i;
        kernels->dots(q, k, at, n, x->i, r);
        s->dw[row * x->j + head] = gate(r, dscores, n, x->w[row * x->j + head]);
        kernels->sum(r, k, at, n, x->i, s->dq + (row * x->j + head) * x->i);
        kernels->scatter(r, q, at, n, x->i, dk);
    }
}

/* A run of queries of one sequence, with a dk of its own. */
static void list_task(void *arg, size_t i, int thread)
{
    const struct listing *l = arg;
    const struct indexer *x = l->indexer;
    const struct indexer_shared *s = x->shared;
    size_t b = i / s->parts, part = i % s->parts;
    size_t from = part * x->t / s->parts, to = (part + 1) * x->t / s->parts;
    real *dk = s->dk_parts + i * x->t * x->i;
    real *r = s->block + (size_t)thread * INDEXER_BLOCK * x->t;
    memset(dk, 0, x->t * x->i * sizeof *dk);
    for (size_t t = from; t < to; t++)
        backward_list(l, b * x->t + t, dk, (int32_t *)(void *)(r + x->t), r);
}

static void gather_task(void *arg, size_t b, int thread)
{
    (void)thread;
    const struct indexer *x = ((const struct listing *)arg)->indexer;
    const struct indexer_shared *s = x->shared;
    size_t n = x->t * x->i;
    memcpy(s->dk + b * n, s->dk_parts + b * s->parts * n, n * sizeof *s->dk);
    for (size_t part = 1; part < s->parts; part++)
        add_row(s->dk + b * n, s->dk_parts + (b * s->parts + part) * n, n);
    if (x->rope_cos != NULL || x->norm_w != NULL)
        unshape(x, b);
}

void indexer_backward_lists(struct indexer *indexer, const struct batch_pass *pass, const real *x,
                            const struct indexer_lists *lists)
{
    struct listing l = { indexer, lists };
    pool_run(pass->pool, pass->batch * indexer->shared->parts, list_task, &l);
    pool_run(pass->pool, pass->batch, gather_task, &l);
    weights_backward(indexer, pass, x);
}
