/* The recall is measured twice, the second time with the indexers' initial weights, which are drawn
 * again for it and taken out afterwards. */
#include "worker/audit/learns.h"

#include "common/spec/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double learns_chance(int64_t t, int64_t k)
{
    double sum = 0;
    for (int64_t i = k; i < t; i++)
        sum += (double)k / (double)(i + 1);
    return t > k ? sum / (double)(t - k) : NAN;
}

static double recall(struct model *model, const struct run_spec *spec, const int32_t *windows,
                     int64_t n)
{
    struct model_eval ignored;
    model_evaluate(model, windows, n, spec->train.steps + 1, &ignored);
    double share = NAN;
    model_recall(model, n, true, &share);
    return share;
}

/* The indexers' tensors to and from `kept`, one after another. */
static void copy_indexers(const struct params *params, real *kept, bool back)
{
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        if (t->group != PARAM_INDEXER)
            continue;
        real *value = params->value + t->offset;
        memcpy(back ? value : kept, back ? kept : value, t->count * sizeof *kept);
        kept += t->count;
    }
}

/* Averaged over the layers with an indexer that leaves something out, as the recall is. */
static double chance(const struct run_spec *spec)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct spec_attention *a = run_spec_attention(spec, layer);
        if (!attention_is_indexed(a) || a->top_k >= spec->data.seq_len)
            continue;
        sum += learns_chance(spec->data.seq_len, a->top_k);
        n++;
    }
    return n > 0 ? sum / (double)n : NAN;
}

int learns_measure(struct model *model, const struct run_spec *spec, const int32_t *windows,
                   int64_t n, struct learns *ret, struct err *err)
{
    struct params *params = model_params(model);
    size_t count = 0;
    for (size_t i = 0; i < params->n; i++)
        count += params->tensors[i].group == PARAM_INDEXER ? params->tensors[i].count : 0;
    real *kept = malloc((count + 1) * sizeof *kept);
    if (kept == NULL)
        return err_no_memory(err, "the indexer's weights");
    ret->trained = recall(model, spec, windows, n);
    copy_indexers(params, kept, false);
    for (size_t i = 0; i < params->n; i++)
        if (params->tensors[i].group == PARAM_INDEXER)
            params_draw(&params->tensors[i], spec, params->value + params->tensors[i].offset);
    ret->untrained = recall(model, spec, windows, n);
    copy_indexers(params, kept, true);
    ret->chance = chance(spec);
    free(kept);
    return 0;
}
