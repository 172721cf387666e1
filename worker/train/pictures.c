/* All that is written is set aside with the attempt: a step allocates nothing but the file's header. */
#include "worker/train/pictures.h"

#include "common/spec/maps.h"
#include "worker/attn/attn_maps.h"
#include "worker/data/tasks.h"

#include <stdlib.h>

struct pictures {
    const struct run_spec *spec;
    struct maps_plan plan;
    uint8_t *maps;   /* [layers × plan.layer_bytes] */
    int32_t *tokens; /* [windows × T] */
    struct safetensors_array *arrays;
    size_t n;            /* 0 = nothing is to be written */
    int64_t step, first; /* of what is: the step, and its first window's number */
};

int pictures_new(const struct run_spec *spec, struct pictures **ret, struct err *err)
{
    *ret = NULL;
    if ((spec->artifacts & 1u << ARTIFACT_ATTENTION) == 0)
        return 0;
    struct pictures *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_no_memory(err, "pictures of attention");
    p->spec = spec;
    maps_plan(spec, &p->plan);
    p->maps = malloc((size_t)(spec->model.layers * p->plan.layer_bytes));
    p->tokens = malloc((size_t)(p->plan.windows * spec->data.seq_len) * sizeof *p->tokens);
    p->arrays = calloc((size_t)(1 + 3 * spec->model.layers), sizeof *p->arrays);
    if (p->maps == NULL || p->tokens == NULL || p->arrays == NULL) {
        pictures_free(p);
        return err_no_memory(err, "pictures of attention");
    }
    *ret = p;
    return 0;
}

void pictures_free(struct pictures *p)
{
    if (p == NULL)
        return;
    free(p->maps);
    free(p->tokens);
    free(p->arrays);
    free(p);
}

static void add_tokens(struct pictures *p, const int32_t *windows, int64_t n)
{
    int64_t t = p->spec->data.seq_len;
    for (int64_t i = 0; i < n * t; i++) {
        int32_t token = windows[i / t * (t + 1) + i % t];
        p->tokens[i] = token < 0 ? task_unscored(token) : token;
    }
    p->arrays[p->n++] =
        (struct safetensors_array){ "tokens", SAFETENSORS_I32, { n, t }, p->tokens };
}

static void add_map(struct pictures *p, int64_t layer, const char *name, const int64_t shape[4],
                    const uint8_t *data)
{
    struct safetensors_array *array = &p->arrays[p->n++];
    *array = (struct safetensors_array){ .type = SAFETENSORS_U8, .data = data };
    snprintf(array->name, sizeof array->name, "layers.%lld.%s", (long long)layer, name);
    for (size_t i = 0; i < SAFETENSORS_DIMS; i++)
        array->shape[i] = shape[i];
}

static void add_layer(struct pictures *p, struct model *model, int64_t n, int64_t layer,
                      int64_t windows)
{
    int64_t side = p->plan.side, heads = p->plan.heads ? p->spec->model.heads : 1;
    int64_t one = windows * side * side;
    uint8_t *maps = p->maps + layer * p->plan.layer_bytes;
    const struct attn_maps to = {
        .windows = (size_t)windows,
        .pool = (size_t)p->plan.pool,
        .side = (size_t)side,
        .heads = p->plan.heads,
        .mass = maps,
        .sees = maps + heads * one,
        .dense = maps + (heads + 1) * one,
    };
    bool chose = model_maps(model, n, layer, &to);
    add_map(p, layer, "mass", (const int64_t[]){ windows, heads, side, side }, to.mass);
    if (!chose)
        return;
    add_map(p, layer, "sees", (const int64_t[]){ windows, side, side, 0 }, to.sees);
    add_map(p, layer, "dense", (const int64_t[]){ windows, side, side, 0 }, to.dense);
}

static json_t *metadata_of(const struct pictures *p)
{
    const char *text[] = { "step", "seq_len", "pool", "first_window" };
    const int64_t values[] = { p->step, p->spec->data.seq_len, p->plan.pool, p->first };
    json_t *metadata = json_pack("{s:s, s:s}", "format", "ablate-attention-1", "heads",
                                 p->plan.heads ? "each" : "mean");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        json_object_set_new(metadata, text[i], json_sprintf("%lld", (long long)values[i]));
    return metadata;
}

void pictures_take(struct pictures *p, struct model *model, const int32_t *windows, int64_t n,
                   int64_t step)
{
    if (p == NULL || !maps_wanted(p->spec, step))
        return;
    p->step = step;
    p->first = model_last_micro_batch(model, n);
    int64_t left = n - p->first, taken = left < p->plan.windows ? left : p->plan.windows;
    p->n = 0;
    add_tokens(p, windows + p->first * (p->spec->data.seq_len + 1), taken);
    for (int64_t layer = 0; layer < p->spec->model.layers; layer++)
        add_layer(p, model, n, layer, taken);
}

int pictures_save(struct pictures *p, struct artifacts *artifacts, json_t **ret, struct err *err)
{
    json_t *entry = NULL;
    if (p == NULL || p->n == 0)
        return 0;
    int status =
        artifacts_attention(artifacts, p->step, p->arrays, p->n, metadata_of(p), &entry, err);
    if (status != 0)
        return status;
    p->n = 0;
    *ret = json_pack("[o]", entry);
    return 0;
}
