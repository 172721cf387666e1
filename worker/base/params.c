/* One walk in the order of a forward pass builds the table. It runs twice: to count the tensors,
 * and to place them. */
#include "worker/base/params.h"

#include "common/philox.h"
#include "common/spec/attention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 16 }; /* tensors start at multiples of so many reals: a cache line of floats */

/* Tensors are added in the order of a forward pass; with `tensors` NULL they are only counted. */
struct builder {
    struct tensor *tensors;
    size_t n, count;
};

static void add(struct builder *b, const char *name, int64_t rows, int64_t cols, struct tensor like)
{
    size_t count = (size_t)(rows * (cols > 0 ? cols : 1));
    if (b->tensors != NULL) {
        struct tensor *t = &b->tensors[b->n];
        *t = like;
        snprintf(t->name, sizeof t->name, "%s", name);
        t->shape[0] = rows;
        t->shape[1] = cols;
        t->offset = b->count;
        t->count = count;
    }
    b->n++;
    b->count += (count + LINE - 1) / LINE * LINE;
}

static const struct tensor gain = { .init = PARAM_ONE }, bias = { .init = PARAM_ZERO },
                           linear = { .init = PARAM_LINEAR, .decay = true },
                           residual = { .init = PARAM_RESIDUAL, .decay = true };

static void add_indexer(struct builder *b, const struct run_spec *spec, int64_t layer)
{
    const struct spec_model *m = &spec->model;
    const struct spec_attention *a = run_spec_attention(spec, layer);
    if (!attention_is_indexed(a))
        return;
    bool frozen = !attention_learns(a);
    const struct {
        const char *name;
        int64_t rows, cols;
        struct tensor like;
        bool wanted;
    } rows[] = {
        { "q.weight", a->indexer_heads * a->indexer_dim, m->d_model, linear, true },
        { "k.weight", a->indexer_dim, m->d_model, linear, true },
        { "w.weight", a->indexer_heads, m->d_model, linear, true },
        { "k_norm.weight", a->indexer_dim, 0, gain, a->indexer_norm },
        { "k_norm.bias", a->indexer_dim, 0, bias, a->indexer_norm },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[80];
        struct tensor like = rows[i].like;
        like.group = PARAM_INDEXER;
        like.frozen = frozen;
        snprintf(name, sizeof name, "blocks.%lld.attn.indexer.%s", (long long)layer, rows[i].name);
        if (rows[i].wanted)
            add(b, name, rows[i].rows, rows[i].cols, like);
    }
}

static void add_block(struct builder *b, const struct run_spec *spec, int64_t layer)
{
    const struct spec_model *m = &spec->model;
    char name[80];
    int64_t c = m->d_model;
    int at = snprintf(name, sizeof name, "blocks.%lld.", (long long)layer);
    size_t room = sizeof name - (size_t)at;
#define ADD(rows, cols, like, ...)                                                                 \
    do {                                                                                           \
        snprintf(name + at, room, __VA_ARGS__);                                                    \
        add(b, name, rows, cols, like);                                                            \
    } while (0)
    ADD(c, 0, gain, "norm1.weight");
    ADD(3 * c, c, linear, "attn.qkv.weight");
    ADD(c, c, residual, "attn.out.weight");
    add_indexer(b, spec, layer);
    ADD(c, 0, gain, "norm2.weight");
    if (m->experts > 1)
        ADD(m->experts, c, linear, "moe.gate.weight");
    for (int64_t e = 0; e < m->experts; e++) {
        ADD(m->d_ff, c, linear, "moe.experts.%lld.w1.weight", (long long)e);
        if (m->activation == ACTIVATION_SWIGLU)
            ADD(m->d_ff, c, linear, "moe.experts.%lld.w3.weight", (long long)e);
        ADD(c, m->d_ff, residual, "moe.experts.%lld.w2.weight", (long long)e);
    }
#undef ADD
}

static void build(struct builder *b, const struct run_spec *spec)
{
    const struct spec_model *m = &spec->model;
    int64_t v = run_spec_vocab(spec);
    add(b, "embed.weight", v, m->d_model, (struct tensor){ .init = PARAM_EMBEDDING });
    for (int64_t layer = 0; layer < m->layers; layer++)
        add_block(b, spec, layer);
    add(b, "norm.weight", m->d_model, 0, gain);
    if (!m->tied)
        add(b, "head.weight", v, m->d_model, linear);
}

/* schema/numerics.md §3: torch: embedding N(0,1), linear ±a·(2(u + 2^-25) − 1), a = 1/√fan_in;
 * gpt2: 0.02·normal, what ends a residual branch divided by √(2·layers). */
void params_draw(const struct tensor *t, const struct run_spec *spec, real *value)
{
    const struct philox stream = philox_stream(spec->seed, "init", t->name);
    bool torch = spec->model.init == INIT_TORCH;
    double bound = t->shape[1] > 0 ? 1.0 / sqrt((double)t->shape[1]) : 0;
    double scale = torch ? 1.0 : 0.02;
    if (!torch && t->init == PARAM_RESIDUAL)
        scale /= sqrt(2.0 * (double)spec->model.layers);
    for (size_t i = 0; i < t->count; i++) {
        if (t->init == PARAM_ONE || t->init == PARAM_ZERO)
            value[i] = t->init == PARAM_ONE;
        else if (torch && t->init != PARAM_EMBEDDING)
            value[i] =
                (real)(float)(bound * (2.0 * (philox_uniform(&stream, 0, i) + 0x1p-25) - 1.0));
        else
            value[i] = (real)(float)(scale * philox_normal(&stream, 0, i));
    }
}

/* Runs twice: to count, and to place. */
static void layout(struct params *p)
{
    p->value = arena_take(&p->arena, p->count, sizeof(real));
    p->grad = arena_take(&p->arena, p->count, sizeof(real));
    for (int i = 0; i < p->optimizer->moments; i++)
        p->moments[i] = arena_take(&p->arena, p->count, sizeof(real));
}

int params_new(const struct run_spec *spec, struct params *ret, struct err *err)
{
    struct builder count = { 0 };
    build(&count, spec);
    struct params p = { .n = count.n,
                        .count = count.count,
                        .optimizer = optimizer_info_of(&spec->train),
                        .rest = run_spec_rest(spec) };
    p.tensors = calloc(p.n, sizeof *p.tensors);
    layout(&p);
    if (p.tensors == NULL || arena_build(&p.arena, err) != 0) {
        params_done(&p);
        return err_no_memory(err, "%zu parameters and their moments", count.count);
    }
    layout(&p);
    struct builder fill = { .tensors = p.tensors };
    build(&fill, spec);
    for (size_t i = 0; i < p.n; i++)
        params_draw(&p.tensors[i], spec, p.value + p.tensors[i].offset);
    *ret = p;
    return 0;
}

void params_done(struct params *params)
{
    free(params->tensors);
    arena_done(&params->arena);
    *params = (struct params){ 0 };
}

const struct tensor *params_find(const struct params *params, const char *name)
{
    for (size_t i = 0; i < params->n; i++)
        if (strcmp(params->tensors[i].name, name) == 0)
            return &params->tensors[i];
    return NULL;
}

bool params_updated(const struct params *params, const struct tensor *t, int64_t step)
{
    bool rests = step >= params->rest.first && step <= params->rest.last;
    return !t->frozen && !(rests && t->group == PARAM_MAIN);
}

int64_t params_updates(const struct params *params, const struct tensor *t, int64_t step)
{
    return t->group == PARAM_MAIN ? step - spec_rested(&params->rest, step) : step;
}

void params_digest(const struct params *params, char ret[DIGEST_HEX])
{
    struct digest digest;
    digest_init(&digest);
    for (int a = -1; a < params->optimizer->moments; a++) {
        const real *array = a < 0 ? params->value : params->moments[a];
        for (size_t i = 0; i < params->n; i++)
            digest_add(&digest, array + params->tensors[i].offset,
                       params->tensors[i].count * sizeof(real));
    }
    digest_end_hex(&digest, ret);
}
