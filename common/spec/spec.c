/* What follows from a run's specification without looking at JSON, for all who read one. */
#include "common/spec/spec.h"

#include <string.h>

const struct spec_attention *run_spec_attention(const struct run_spec *spec, int64_t layer)
{
    const struct spec_model *model = &spec->model;
    for (size_t i = 0; i < model->attention_layers_n; i++)
        if (layer >= model->attention_layers[i].first && layer <= model->attention_layers[i].last)
            return &model->attention_layers[i].attention;
    return &model->attention;
}

bool run_spec_any(const struct run_spec *spec, bool (*so)(const struct spec_attention *attention))
{
    for (int64_t layer = 0; layer < spec->model.layers; layer++)
        if (so(run_spec_attention(spec, layer)))
            return true;
    return false;
}

struct spec_rest run_spec_rest(const struct run_spec *spec)
{
    struct spec_rest rest = { 1, 0 };
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct spec_attention *a = run_spec_attention(spec, layer);
        if (a->indexer_only_steps > 0)
            rest = (struct spec_rest){ a->dense_warmup_steps - a->indexer_only_steps + 1,
                                       a->dense_warmup_steps };
    }
    return rest;
}

int64_t spec_rested(const struct spec_rest *rest, int64_t step)
{
    int64_t last = step < rest->last ? step : rest->last;
    return last < rest->first ? 0 : last - rest->first + 1;
}

int64_t run_spec_micro_batch(const struct run_spec *spec)
{
    const struct spec_train *train = &spec->train;
    return train->micro_batch_size > 0 ? train->micro_batch_size : train->batch_size;
}

bool run_spec_ends_residual(const char *parameter)
{
    static const char *const ends[] = { ".attn.out.weight", ".w2.weight" };
    size_t n = strlen(parameter);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && strcmp(parameter + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

int64_t run_spec_vocab(const struct run_spec *spec)
{
    enum { BYTE_VOCAB = 257 }; /* 256 byte values and the end of a document */
    return spec->data.kind == DATASET_STORED ? BYTE_VOCAB : spec->data.vocab;
}
