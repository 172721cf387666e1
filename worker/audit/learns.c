/* All is measured twice, the second time with the indexers' initial weights, which are drawn again
 * for it and taken out afterwards. Of the KL both times the keys are those that the trained indexer
 * chose, and the teacher is the same: else the two would be about different questions. */
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

/* Recall of each of n windows, and the KL of the chosen keys, with the indexers' weights as they are
 * and as they were; kept: scratch for them. */
static void measure_part(struct model *model, const struct run_spec *spec, const int32_t *windows,
                         int64_t n, real *kept, double *trained, double *untrained, double kl[2])
{
    struct params *params = model_params(model);
    double ignored;
    model_indexed(model, windows, n, false, trained, &kl[0]);
    copy_indexers(params, kept, false);
    for (size_t i = 0; i < params->n; i++)
        if (params->tensors[i].group == PARAM_INDEXER)
            params_draw(&params->tensors[i], spec, params->value + params->tensors[i].offset);
    model_indexed(model, windows, n, true, untrained, &kl[1]); /* of the same keys */
    model_indexed(model, windows, n, false, untrained, &ignored);
    copy_indexers(params, kept, true);
}

static void sum_up(const double *trained, const double *untrained, int64_t n, struct learns *ret)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        ret->trained += trained[i] / (double)n;
        ret->untrained += untrained[i] / (double)n;
    }
    ret->gain = ret->trained - ret->untrained;
    for (int64_t i = 0; i < n; i++) {
        double d = trained[i] - untrained[i] - ret->gain;
        squares += d * d;
    }
    ret->error = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : NAN;
    ret->windows = n;
}

int learns_measure(struct model *model, const struct run_spec *spec, const int32_t *windows,
                   int64_t n, struct learns *ret, struct err *err)
{
    const struct params *params = model_params(model);
    int64_t micro = run_spec_micro_batch(spec), width = spec->data.seq_len + 1;
    size_t count = 0;
    struct learns found = { .chance = chance(spec) };
    for (size_t i = 0; i < params->n; i++)
        count += params->tensors[i].group == PARAM_INDEXER ? params->tensors[i].count : 0;
    real *kept = malloc((count + 1) * sizeof *kept);
    double *recall = calloc(2 * (size_t)n, sizeof *recall);
    if (kept == NULL || recall == NULL) {
        free(kept);
        free(recall);
        return err_no_memory(err, "the indexer's weights");
    }
    for (int64_t first = 0; first < n; first += micro) {
        int64_t part = n - first < micro ? n - first : micro;
        double kl[2];
        measure_part(model, spec, windows + first * width, part, kept, recall + first,
                     recall + n + first, kl);
        found.kl += kl[0] * (double)part / (double)n;
        found.kl_untrained += kl[1] * (double)part / (double)n;
    }
    sum_up(recall, recall + n, n, &found);
    *ret = found;
    free(kept);
    free(recall);
    return 0;
}

bool learns_shown(const struct learns *learns)
{
    return learns->kl < learns->kl_untrained && learns->trained > learns->chance &&
           learns->gain > 2 * learns->error;
}
