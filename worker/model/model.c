/* A model laid out, and what is asked of it: steps, evaluations, and what audits want to know. Every
 * buffer is laid out once, in one arena; a block keeps what its backward pass needs, the rest is
 * scratch that blocks share. */
#include "worker/model/model.h"

#include "worker/attn/attn_maps.h"
#include "worker/attn/kl.h"
#include "worker/attn/recall.h"
#include "worker/base/batch_pass.h"
#include "worker/base/planted.h"
#include "worker/model/model_priv.h"
#include "worker/model/walk.h"
#include "worker/moe/router.h"
#include "worker/ops/gemm.h"
#include "worker/ops/norm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const real *value_of(const struct model *m, const char *name)
{
    return m->params.value + params_find(&m->params, name)->offset;
}

static real *grad_of(const struct model *m, const char *name)
{
    return m->params.grad + params_find(&m->params, name)->offset;
}

static void block_layout(struct model *m, struct block *b, int layer)
{
    struct arena *arena = &m->arena;
    size_t n = m->batch * m->t, nc = n * m->c;
    b->in = arena_take(arena, nc, sizeof(real));
    b->mid = arena_take(arena, nc, sizeof(real));
    b->normed1 = arena_take(arena, nc, sizeof(real));
    b->normed2 = arena_take(arena, nc, sizeof(real));
    b->rstd1 = arena_take(arena, n, sizeof(real));
    b->rstd2 = arena_take(arena, n, sizeof(real));
    b->keep1 = arena_take(arena, nc, sizeof(uint8_t));
    b->keep2 = arena_take(arena, nc, sizeof(uint8_t));
    char name[80];
    snprintf(name, sizeof name, "blocks.%d.norm1.weight", layer);
    b->w_norm1 = value_of(m, name);
    b->dw_norm1 = grad_of(m, name);
    snprintf(name, sizeof name, "blocks.%d.norm2.weight", layer);
    b->w_norm2 = value_of(m, name);
    b->dw_norm2 = grad_of(m, name);
    snprintf(b->drop1, sizeof b->drop1, "blocks.%d.attn.resid", layer);
    snprintf(b->drop2, sizeof b->drop2, "blocks.%d.moe.resid", layer);
    attn_layout(&b->attn, arena, &m->attn_shared, &m->spec, &m->params, layer, m->batch);
    moe_layout(&b->moe, arena, &m->moe_shared, &m->spec, &m->params, layer, m->batch);
}

/* Runs twice: to count, and to place. */
static void layout(struct model *m)
{
    struct arena *arena = &m->arena;
    size_t n = m->batch * m->t, nc = n * m->c;
    for (size_t l = 0; l < m->layers; l++)
        block_layout(m, &m->blocks[l], (int)l);
    attn_shared_layout(&m->attn_shared, arena, &m->spec, m->batch, pool_threads(m->pool));
    moe_shared_layout(&m->moe_shared, arena, &m->spec, m->batch, pool_threads(m->pool));
    loss_layout(&m->loss, arena, n, m->c, m->v);
    real **const wide[] = { &m->out, &m->normed, &m->branch, &m->dx, &m->dbranch, &m->dnormed };
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        *wide[i] = arena_take(arena, nc, sizeof(real));
    m->rstd = arena_take(arena, n, sizeof(real));
    m->parts = arena_take(arena, norm_parts(n) * m->c, sizeof(real));
    m->inputs = arena_take(arena, n, sizeof(int32_t));
    m->targets = arena_take(arena, n, sizeof(int32_t));
}

/* pool: NULL = the model makes its own. */
static int build(const struct run_spec *spec, int threads, struct pool *pool, struct model **ret,
                 struct err *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_no_memory(err, "a model");
    m->spec = m->bare = *spec;
    m->bare.model.dropout = m->bare.model.router_noise = 0;
    m->batch = (size_t)run_spec_micro_batch(spec);
    m->whole = (size_t)spec->train.batch_size;
    m->t = (size_t)spec->data.seq_len;
    m->c = (size_t)spec->model.d_model;
    m->v = (size_t)run_spec_vocab(spec);
    m->layers = (size_t)spec->model.layers;
    m->blocks = calloc(m->layers, sizeof *m->blocks);
    int status = m->blocks == NULL ? err_no_memory(err, "a model") : gemm_init(threads, err);
    if (status == 0)
        status = params_new(spec, &m->params, err);
    m->pool = pool;
    m->borrows = pool != NULL;
    if (status == 0 && pool == NULL)
        status = pool_new(threads, &m->pool, err);
    if (status == 0) {
        layout(m);
        status = arena_build(&m->arena, err);
    }
    if (status != 0) {
        model_free(m);
        return status;
    }
    layout(m);
    attn_shared_fill(&m->attn_shared, spec);
    m->w_embed = value_of(m, "embed.weight");
    m->dw_embed = grad_of(m, "embed.weight");
    m->w_norm = value_of(m, "norm.weight");
    m->dw_norm = grad_of(m, "norm.weight");
    m->w_head = spec->model.tied ? m->w_embed : value_of(m, "head.weight");
    m->dw_head = spec->model.tied ? m->dw_embed : grad_of(m, "head.weight");
    *ret = m;
    return 0;
}

int model_new(const struct run_spec *spec, int threads, struct model **ret, struct err *err)
{
    return build(spec, threads, NULL, ret, err);
}

int model_new_on(const struct run_spec *spec, struct pool *pool, struct model **ret,
                 struct err *err)
{
    return build(spec, pool_threads(pool), pool, ret, err);
}

void model_free(struct model *model)
{
    if (model == NULL)
        return;
    if (!model->borrows)
        pool_free(model->pool);
    arena_done(&model->arena);
    params_done(&model->params);
    free(model->blocks);
    free(model);
}

struct params *model_params(struct model *model)
{
    return &model->params;
}

size_t model_bytes(const struct model *model)
{
    return model->arena.used + model->params.arena.used;
}

struct pool *model_pool(struct model *model)
{
    return model->pool;
}

/* A pass over windows first … of a batch of n, as many as a micro-batch takes. */
static struct batch_pass pass_of(struct model *m, size_t first, size_t n, int64_t step,
                                 int64_t done)
{
    return (struct batch_pass){
        .spec = &m->spec,
        .pool = m->pool,
        .first = first,
        .batch = n - first < m->batch ? n - first : m->batch,
        .step = (uint64_t)step,
        .done = done,
    };
}

/* Targets of the whole batch that are scored. */
static size_t scored(const struct model *m, const int32_t *windows)
{
    size_t n = 0;
    for (size_t b = 0; b < m->whole; b++)
        for (size_t t = 1; t <= m->t; t++)
            n += windows[b * (m->t + 1) + t] >= 0;
    return n;
}

/* One micro-batch; in ret its loss is a sum, the rest are its means. */
static void step_part(struct model *m, const struct batch_pass *pass, const int32_t *windows,
                      struct model_stats *ret)
{
    struct loss_result loss;
    *ret = (struct model_stats){ 0 };
    walk_take(m, windows + pass->first * (m->t + 1), pass->batch);
    walk_forward(m, pass, ret);
    loss_step(&m->loss, m->pool, pass->batch * m->t, m->normed, m->w_head, m->targets, m->dnormed,
              m->dw_head, &loss);
    walk_backward(m, pass, ret);
    ret->loss = loss.nll;
}

static void whole_step(struct model *m, const int32_t *windows, int64_t step, bool without_kl,
                       struct model_stats *ret)
{
    struct model_stats sum = { 0 }, part;
    double share = (double)m->batch / (double)m->whole;
    memset(m->params.grad, 0, m->params.count * sizeof *m->params.grad);
    size_t targets = scored(m, windows);
    m->loss.mean_over = planted("micro_scale") ? 0 : targets;
    for (size_t first = 0; first < m->whole; first += m->batch) {
        struct batch_pass pass = pass_of(m, first, m->whole, step, step);
        pass.tokens = m->whole * m->t;
        pass.without_kl = without_kl;
        step_part(m, &pass, windows, &part);
        sum.loss += part.loss;
        sum.balance += share * part.balance;
        sum.kl += share * part.kl;
        sum.imbalance += share * part.imbalance;
    }
    if (planted("one_tensor")) {
        const struct tensor *t = params_find(&m->params, "blocks.0.attn.out.weight");
        for (size_t i = 0; i < t->count; i++)
            m->params.grad[t->offset + i] *= (real)1.01;
    }
    sum.loss /= (double)targets;
    *ret = sum;
}

void model_step(struct model *model, const int32_t *windows, int64_t step, struct model_stats *ret)
{
    whole_step(model, windows, step, false, ret);
}

void model_step_without_kl(struct model *model, const int32_t *windows, int64_t step,
                           struct model_stats *ret)
{
    whole_step(model, windows, step, true, ret);
}

void model_step_alone(struct model *model, const int32_t *windows, size_t first, int64_t step)
{
    struct model_stats ignored;
    struct batch_pass pass = pass_of(model, first, model->whole, step, step);
    pass.tokens = pass.batch * model->t;
    memset(model->params.grad, 0, model->params.count * sizeof *model->params.grad);
    model->loss.mean_over = 0;
    step_part(model, &pass, windows, &ignored);
}

void model_watch_evaluation(struct model *model, const struct model_watch *watch)
{
    model->watch = watch != NULL ? *watch : (struct model_watch){ 0 };
}

/* Of the pass whose first window is number `first` of the evaluation. */
static void note(struct model *m, size_t first, size_t scored)
{
    const struct model_watch *w = &m->watch;
    for (size_t i = 0; w->by_window != NULL && i < scored; i++)
        w->by_window[first + m->loss.place[i] / m->t] += m->loss.nll[i];
    for (size_t i = 0; w->by_position != NULL && i < scored; i++) {
        w->by_position[m->loss.place[i] % m->t] += m->loss.nll[i];
        w->positions[m->loss.place[i] % m->t]++;
    }
}

void model_evaluate(struct model *model, const int32_t *windows, int64_t n, int64_t step,
                    struct model_eval *ret)
{
    struct model *m = model;
    struct model_eval sum = { 0 };
    if (m->watch.by_window != NULL)
        memset(m->watch.by_window, 0, (size_t)n * sizeof *m->watch.by_window);
    for (size_t first = 0; first < (size_t)n; first += m->batch) {
        struct model_stats ignored = { 0 };
        struct loss_result loss;
        struct batch_pass pass = pass_of(m, first, (size_t)n, 0, step);
        walk_take(m, windows + first * (m->t + 1), pass.batch);
        walk_forward(m, &pass, &ignored);
        loss_forward(&m->loss, m->pool, pass.batch * m->t, m->normed, m->w_head, m->targets, &loss);
        sum.nll += loss.nll;
        sum.correct += loss.correct;
        sum.targets += loss.targets;
        note(m, first, (size_t)loss.targets);
    }
    *ret = sum;
}

size_t model_keys(const struct model *model, int64_t layer, size_t b, size_t t, int32_t *ret)
{
    return attn_seen(&model->blocks[layer].attn, b * model->t + t, ret);
}

const int32_t *model_experts(const struct model *model, int64_t layer, size_t b, size_t t)
{
    const struct moe *moe = &model->blocks[layer].moe;
    return moe->chosen + (b * model->t + t) * moe->k;
}

int64_t model_last_micro_batch(const struct model *model, int64_t n)
{
    return (n - 1) / (int64_t)model->batch * (int64_t)model->batch;
}

/* The pass that model_evaluate made last, of n windows. */
static struct batch_pass last_evaluation(struct model *m, int64_t n)
{
    return pass_of(m, (size_t)model_last_micro_batch(m, n), (size_t)n, 0, 0);
}

bool model_maps(struct model *model, int64_t n, int64_t layer, const struct attn_maps *ret)
{
    struct batch_pass pass = last_evaluation(model, n);
    attn_maps(&model->blocks[layer].attn, &pass, ret);
    return attn_chose(&model->blocks[layer].attn);
}

bool model_recall(struct model *model, int64_t n, bool indexed, double *ret)
{
    struct batch_pass pass = last_evaluation(model, n);
    double sum = 0;
    size_t sparse = 0;
    for (size_t l = 0; l < model->layers; l++) {
        struct attn *attn = &model->blocks[l].attn;
        if (!attn_leaves_out(attn) || (indexed && !attention_is_indexed(attn->spec)))
            continue;
        sum += attn_recall(attn, &pass, NULL);
        sparse++;
    }
    if (sparse > 0)
        *ret = sum / (double)sparse;
    return sparse > 0;
}

static const real *states(struct model *model, const int32_t *windows, int64_t n, int64_t step,
                          int64_t done)
{
    struct model_stats ignored = { 0 };
    struct batch_pass pass = pass_of(model, 0, (size_t)n, step, done);
    pass.row_invariant = true;
    walk_take(model, windows, (size_t)n);
    walk_forward(model, &pass, &ignored);
    return model->normed;
}

const real *model_states(struct model *model, const int32_t *windows, int64_t n, int64_t step)
{
    return states(model, windows, n, step, model->spec.train.steps + 1);
}

const real *model_warm_up_states(struct model *model, const int32_t *windows, int64_t n,
                                 int64_t step)
{
    return states(model, windows, n, step, 1);
}

const real *model_bare_states(struct model *model, const int32_t *windows, int64_t n, int64_t step,
                              bool training)
{
    struct model_stats ignored = { 0 };
    struct batch_pass pass = pass_of(model, 0, (size_t)n, training ? step : 0, step);
    pass.row_invariant = true;
    if (training) {
        pass.spec = &model->bare;
        pass.lots_of_eval = true;
        pass.tokens = model->whole * model->t;
    }
    walk_take(model, windows, (size_t)n);
    walk_forward(model, &pass, &ignored);
    return model->normed;
}

void model_logits(struct model *model, const int32_t *windows, int64_t n, int64_t step, real *ret)
{
    struct model *m = model;
    for (size_t first = 0; first < (size_t)n; first += m->batch) {
        struct model_stats ignored = { 0 };
        struct batch_pass pass = pass_of(m, first, (size_t)n, step, step);
        walk_take(m, windows + first * (m->t + 1), pass.batch);
        walk_forward(m, &pass, &ignored);
        gemm_shared(m->pool, pass.batch * m->t, m->v, m->c, (struct mat){ m->normed, m->c, false },
                    (struct mat){ m->w_head, m->c, true }, 0, ret + first * m->t * m->v, m->v);
    }
}

static double squares(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* What a layer takes of the room for its q and k. */
static size_t kl_reals(const struct attn *attn, size_t n)
{
    return attn->kl_weight > 0 ? n * attn->indexer.i * (attn->indexer.j + 1) : 0;
}

static size_t part_kl(struct attn *attn, const struct batch_pass *pass, real *room,
                      struct model_part *ret)
{
    size_t n = pass->batch * attn->t;
    if (kl_reals(attn, n) == 0)
        return 0;
    struct attn_kl_point point = { room, room + n * attn->indexer.i * attn->indexer.j };
    if (!pass->held)
        attn_kl_keep(attn, pass, &point);
    struct attn_kl found = attn_kl(attn, pass, pass->held ? &point : NULL);
    ret->kl += attn->kl_weight * found.kl;
    /* What the trainer follows, q − p, is in float32, too: 4 roundings of 1, along scores that an
     * audit moves by a few hundredths of their size. Beside 24·√C roundings of a score that is less
     * than 0.01. */
    ret->slope += attn->kl_weight * (sqrt(fmax(found.kl, 0)) + 0.01) * found.scores;
    return kl_reals(attn, n);
}

size_t model_kl_reals(const struct model *model)
{
    size_t sum = 0;
    for (size_t l = 0; l < model->layers; l++)
        sum += kl_reals(&model->blocks[l].attn, model->batch * model->t);
    return sum;
}

void model_part_loss(struct model *model, const int32_t *windows, int64_t first, int64_t step,
                     bool held, real *kl, struct model_part *ret)
{
    struct model *m = model;
    struct model_stats stats = { 0 };
    struct loss_result loss;
    struct batch_pass pass = pass_of(m, (size_t)first, m->whole, step, step);
    pass.tokens = kl != NULL ? m->whole * m->t : 0;
    pass.held = held;
    walk_take(m, windows + first * (int64_t)(m->t + 1), pass.batch);
    walk_forward(m, &pass, &stats);
    loss_forward(&m->loss, m->pool, pass.batch * m->t, m->normed, m->w_head, m->targets, &loss);
    *ret =
        (struct model_part){ .nll = loss.nll, .targets = loss.targets, .balance = stats.balance };
    for (size_t i = 0, scored = 0; i < pass.batch * m->t; i++)
        if (m->targets[i] != LOSS_UNSCORED) {
            double beyond = fmax(0, m->loss.nll[scored++] - log((double)m->v));
            ret->spread += squares(m->normed + i * m->c, m->c) *
                               squares(m->w_head + (size_t)m->targets[i] * m->c, m->c) /
                               (double)m->c +
                           beyond * beyond;
        }
    for (size_t l = 0; l < m->layers; l++)
        ret->balance_spread +=
            router_spread(&m->blocks[l].moe, pass.batch * m->t, m->blocks[l].normed2);
    for (size_t l = 0; kl != NULL && l < m->layers; l++)
        kl += part_kl(&m->blocks[l].attn, &pass, kl, ret);
}

void model_indexed(struct model *model, const int32_t *windows, int64_t n, bool held,
                   double *recall, double *kl)
{
    struct model_stats ignored = { 0 };
    struct batch_pass pass = pass_of(model, 0, (size_t)n, 0, model->spec.train.steps + 1);
    size_t sparse = 0;
    pass.tokens = (size_t)n * model->t; /* or a pass that is held would have no scores */
    pass.held = held;
    walk_take(model, windows, (size_t)n);
    walk_forward(model, &pass, &ignored);
    memset(recall, 0, (size_t)n * sizeof *recall);
    *kl = 0;
    for (size_t l = 0; l < model->layers; l++) {
        struct attn *attn = &model->blocks[l].attn;
        if (!attention_is_indexed(attn->spec) || !attn_leaves_out(attn))
            continue;
        *kl += attn->kl_weight > 0 ? attn_kl(attn, &pass, NULL).kl : 0;
        attn_recall(attn, &pass, recall);
        sparse++;
    }
    for (int64_t b = 0; b < n; b++)
        recall[b] = sparse > 0 ? recall[b] / (double)sparse : NAN;
}
