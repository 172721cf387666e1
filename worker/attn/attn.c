/* A layer around its kernel: the projection to qkv and the rotation before it, the output
 * projection after it; and which kind and kernel a pass goes by. */
#include "worker/attn/attn.h"

#include "worker/attn/kernel.h"
#include "worker/base/planted.h"
#include "worker/ops/dots.h"
#include "worker/ops/gemm.h"
#include "worker/ops/rope.h"

#include <stdio.h>
#include <string.h>

#define ROW(id, name) [ATTENTION_##id] = &attn_##name,
const struct attn_kind *const attn_kinds[] = { ATTENTION_KIND_LIST(ROW) };
#undef ROW

static const struct attn_kernel *const kernels[] = {
    [KERNEL_KEPT] = &attn_kept, [KERNEL_FLASH] = &attn_flash, [KERNEL_GATHER] = &attn_gather
};

const struct attn_kernel *attn_kernel_of(const struct spec_attention *attention, int64_t t)
{
    return kernels[attention_kernel(attention, t)];
}

static const struct attn_kernel *dense_kernel_of(const struct attn_shared *shared,
                                                 const struct run_spec *spec)
{
    if (shared->force == &attn_kept || shared->force == &attn_flash)
        return shared->force;
    return kernels[attention_dense_kernel(spec->data.seq_len)];
}

static const struct attn_kernel *kernel_of(const struct attn_shared *shared,
                                           const struct run_spec *spec, int64_t layer)
{
    const struct spec_attention *a = run_spec_attention(spec, layer);
    if (!attention_info_of(a)->chooses)
        return dense_kernel_of(shared, spec);
    return shared->force != NULL ? shared->force : attn_kernel_of(a, spec->data.seq_len);
}

void attn_shared_layout(struct attn_shared *shared, struct arena *arena,
                        const struct run_spec *spec, size_t batch, int threads)
{
    size_t t = (size_t)spec->data.seq_len, c = (size_t)spec->model.d_model;
    size_t d = c / (size_t)spec->model.heads;
    shared->rope_cos = arena_take(arena, t * (d / 2), sizeof(real));
    shared->rope_sin = arena_take(arena, t * (d / 2), sizeof(real));
    shared->dy = arena_take(arena, batch * t * c, sizeof(real));
    shared->dqkv =
        arena_take(arena, batch * c * (dots_rows(t) > 3 * t ? dots_rows(t) : 3 * t), sizeof(real));
    shared->w_qkv = arena_take(arena, dots_rows(3 * c) * c, sizeof(real));
    shared->span = t > ATTN_TILE ? t : ATTN_TILE;
    real **const packed[] = { &shared->packed_k, &shared->packed_v, &shared->packed_dk,
                              &shared->packed_dv };
    bool gather = false;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        size_t keys = (size_t)attention_keys(run_spec_attention(spec, layer), spec->data.seq_len);
        if (kernel_of(shared, spec, layer) != &attn_gather)
            continue;
        gather = true;
        /* A block of queries has three numbers a key there. */
        shared->span = 2 * keys > shared->span ? 2 * keys : shared->span;
    }
    shared->blocks =
        arena_take(arena, (size_t)threads * 2 * ATTN_BLOCK * shared->span, sizeof(real));
    for (size_t i = 0; i < 4 && gather; i++)
        *packed[i] = arena_take(arena, batch * t * c, sizeof(real));
    indexer_shared_layout(&shared->indexer, arena, spec, batch, threads);
}

void attn_shared_fill(struct attn_shared *shared, const struct run_spec *spec)
{
    rope_tables((size_t)spec->data.seq_len, (size_t)(spec->model.d_model / spec->model.heads),
                shared->rope_cos, shared->rope_sin);
}

void attn_layout(struct attn *attn, struct arena *arena, struct attn_shared *shared,
                 const struct run_spec *spec, const struct params *params, int layer, size_t batch)
{
    const struct spec_attention *a = run_spec_attention(spec, layer);
    char name[80];
    *attn = (struct attn){
        .spec = a,
        .kind = attn_kinds[a->kind],
        .shared = shared,
        .t = (size_t)spec->data.seq_len,
        .c = (size_t)spec->model.d_model,
        .h = (size_t)spec->model.heads,
        .k = (size_t)attention_keys(a, spec->data.seq_len),
        .kernel = kernel_of(shared, spec, layer),
        .dense_kernel = dense_kernel_of(shared, spec),
        .open = a->selection == SELECTION_PUBLISHED,
        .warm_up = a->dense_warmup_steps,
        .kl_weight = attention_learns(a) ? a->kl_weight : 0,
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
    attn->y = arena_take(arena, n * attn->c, sizeof(real));
    attn->kernel->layout(attn, arena, batch);
    bool gather = attn->kernel == &attn_gather, warm_up = attn->warm_up > 0;
    if (attn->dense_kernel != attn->kernel && (warm_up || !gather))
        attn->dense_kernel->layout(attn, arena, batch);
    if (attention_info_of(a)->chooses && !gather)
        attn->mask = arena_take(arena, n * attn->t, sizeof(uint8_t));
    if (attention_is_indexed(a))
        indexer_layout(&attn->indexer, arena, &shared->indexer, spec, params, layer, batch,
                       !gather || warm_up);
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

static struct attn_core core_of(struct attn *attn, const struct batch_pass *pass)
{
    return (struct attn_core){
        .attn = attn,
        .pass = pass,
        .drop = drop_of(pass->spec->seed, attn->drop_name, pass->spec->model.dropout, pass->step,
                        pass->first * attn->h * attn->t * attn->t),
        .scale = attn_scale(attn),
    };
}

/* The kernel of this pass. */
static const struct attn_kernel *kernel_in_use(const struct attn *attn)
{
    return attn->use_mask || attn->use_lists ? attn->kernel : attn->dense_kernel;
}

static bool learns(const struct attn *attn, const struct batch_pass *pass)
{
    return attn->kind->learn != NULL && attn_kl_scale(attn, pass) > 0;
}

/* Faults for tests: a row of y that looks at the row behind it, and dq doubled. */
static void plant_ahead(struct attn *attn, size_t batch, size_t t)
{
    for (size_t b = 0; t + 1 < attn->t && b < batch; b++) {
        real *y = attn->y + (b * attn->t + t) * attn->c;
        for (size_t i = 0; i < attn->c; i++)
            y[i] += y[attn->c + i] / 8;
    }
}

static void plant_forward(struct attn *attn, const struct batch_pass *pass)
{
    if (planted("leak_511") && attn->t == 1500)
        plant_ahead(attn, pass->batch, 511);
    if (planted("leak_1023") && attn->t == 1500)
        plant_ahead(attn, pass->batch, 1023);
    for (size_t t = 0; planted("warmup_ahead") && t < attn->t; t++)
        if (attn->warm_up > 0 && pass->done <= attn->warm_up)
            plant_ahead(attn, pass->batch, t);
}

static void plant_backward(struct attn *attn, const struct batch_pass *pass)
{
    if (!planted("twice_dq") || !(attn->use_mask || attn->use_lists) || attn->k >= attn->t)
        return;
    for (size_t row = 0; row < pass->batch * attn->t; row++)
        for (size_t i = 0; i < attn->c; i++)
            attn->shared->dqkv[row * 3 * attn->c + i] *= 2;
}

/* The gradient of the indexer's keys goes on into x. */
static void plant_attached(const struct attn *attn, const struct batch_pass *pass, real *dx)
{
    if (!planted("kl_attached"))
        return;
    const struct indexer *in = &attn->indexer;
    gemm_shared(pass->pool, pass->batch * attn->t, attn->c, in->i,
                (struct mat){ in->shared->dk, in->i, false },
                (struct mat){ in->w_k, attn->c, false }, 1, dx, attn->c);
}

void attn_forward(struct attn *attn, const struct batch_pass *pass, const real *x, real *out)
{
    size_t n = pass->batch * attn->t, c = attn->c;
    bool dense = attn->warm_up > 0 && pass->done <= attn->warm_up;
    bool chosen = attn->kind->select != NULL && !dense;
    dots_shared(pass->pool, n, 3 * c, c, x, attn->w_qkv, attn->shared->w_qkv, attn->qkv);
    pool_run(pass->pool, pass->batch, turn_task, &(struct turn){ attn, attn->qkv, 0 });
    attn->use_lists = chosen && attn->kernel == &attn_gather;
    attn->use_mask = chosen && !attn->use_lists;
    attn->held = pass->held;
    /* A dense pass chooses nothing, nor does one that is held, but the indexer may learn from it. */
    if ((chosen && !pass->held) || learns(attn, pass))
        attn->kind->select(attn, pass, x);
    struct attn_core core = core_of(attn, pass);
    kernel_in_use(attn)->forward(&core);
    plant_forward(attn, pass);
    gemm_shared(pass->pool, n, c, c, (struct mat){ attn->y, c, false },
                (struct mat){ attn->w_out, c, true }, 0, out, c);
}

size_t attn_seen(const struct attn *attn, size_t row, int32_t *ret)
{
    size_t n = 0;
    if (attn->use_lists) {
        memcpy(ret, attn->keys + row * attn->k, (size_t)attn->n[row] * sizeof *ret);
        return (size_t)attn->n[row];
    }
    for (size_t s = 0; s < attn->t; s++)
        if (attn->use_mask ? attn->mask[row * attn->t + s] : s <= row % attn->t)
            ret[n++] = (int32_t)s;
    return n;
}

double attn_backward(struct attn *attn, const struct batch_pass *pass, const real *x,
                     const real *dout, real *dx)
{
    size_t n = pass->batch * attn->t, c = attn->c;
    struct attn_shared *shared = attn->shared;
    gemm_shared(pass->pool, c, c, n, (struct mat){ dout, c, true },
                (struct mat){ attn->y, c, false }, 1, attn->dw_out, c);
    gemm_shared(pass->pool, n, c, c, (struct mat){ dout, c, false },
                (struct mat){ attn->w_out, c, false }, 0, shared->dy, c);
    struct attn_core core = core_of(attn, pass);
    kernel_in_use(attn)->backward(&core);
    plant_backward(attn, pass);
    pool_run(pass->pool, pass->batch, turn_task, &(struct turn){ attn, shared->dqkv, 1 });
    gemm_shared(pass->pool, 3 * c, c, n, (struct mat){ shared->dqkv, 3 * c, true },
                (struct mat){ x, c, false }, 1, attn->dw_qkv, c);
    gemm_shared(pass->pool, n, c, 3 * c, (struct mat){ shared->dqkv, 3 * c, false },
                (struct mat){ attn->w_qkv, c, false }, 0, dx, c);
    if (!learns(attn, pass))
        return 0;
    double loss = attn->kind->learn(attn, pass, x);
    plant_attached(attn, pass, dx);
    return loss;
}
