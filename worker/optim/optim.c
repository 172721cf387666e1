/* The learning rate, the norms of the gradient, and each tensor through its optimiser's row. */
#include "worker/optim/optim.h"

#include "common/base/simd.h"
#include "worker/base/planted.h"
#include "worker/optim/optim_step.h"

#include <math.h>
#include <stdbool.h>

#define UPDATE(id, name) [OPTIMIZER_##id] = &optim_##name,
static const optim_update *const updates[] = { OPTIMIZER_LIST(UPDATE) };
#undef UPDATE

enum { CHUNK = 1 << 14 }; /* elements a task; sums of squares are kept a chunk */

static double decayed(const struct spec_train *train, int64_t step)
{
    double s = (double)step, n = (double)train->steps, w = (double)train->warmup_steps;
    double r = train->min_lr_ratio, u = n > w ? (s - w) / (n - w) : 1;
    switch (train->schedule) {
    case SCHEDULE_COSINE:
        return r + (1 - r) * (1 + cos(acos(-1.0) * u)) / 2;
    case SCHEDULE_LINEAR:
        return 1 - (1 - r) * u;
    default:
        return 1;
    }
}

double optim_lr(const struct spec_train *train, int64_t step)
{
    if (step <= train->warmup_steps)
        return train->lr * (double)step / (double)train->warmup_steps;
    return train->lr * decayed(train, step);
}

/* Σ g² in double over SIMD_LANES partial sums. */
SIMD static double squares(const real *g, size_t n)
{
    double lanes[SIMD_LANES] = { 0 }, total = 0;
    size_t k = 0;
    for (; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++)
            lanes[j] += (double)g[k + (size_t)j] * (double)g[k + (size_t)j];
    for (int j = 0; k < n; k++, j++)
        lanes[j] += (double)g[k] * (double)g[k];
    for (int j = 0; j < SIMD_LANES; j++)
        total += lanes[j];
    return total;
}

struct tensor_update {
    const struct params *params;
    const struct tensor *tensor;
    optim_update update;
    struct optim_step step;
};

static void update_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct tensor_update *u = arg;
    const struct params *p = u->params;
    size_t from = i * CHUNK, n = u->tensor->count - from, at = u->tensor->offset + from;
    real *moments[OPTIMIZER_MOMENTS];
    for (int m = 0; m < OPTIMIZER_MOMENTS; m++)
        moments[m] = m < p->optimizer->moments ? p->moments[m] + at : NULL;
    u->update(&u->step, n < CHUNK ? n : CHUNK, p->value + at, p->grad + at, moments);
}

static void measure(const struct params *params, struct optim_stats *stats)
{
    double sums[PARAM_GROUPS] = { 0 };
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        for (size_t at = 0; !t->frozen && at < t->count; at += CHUNK)
            sums[t->group] += squares(params->grad + t->offset + at,
                                      t->count - at < CHUNK ? t->count - at : CHUNK);
    }
    stats->grad_norm = 0;
    for (int g = 0; g < PARAM_GROUPS; g++) {
        stats->norms[g] = sqrt(sums[g]);
        stats->grad_norm += sums[g];
    }
    stats->grad_norm = sqrt(stats->grad_norm);
}

void optim_step(const struct spec_train *train, struct params *params, int64_t step,
                struct pool *pool, struct optim_stats *ret)
{
    struct optim_stats stats = { .lr = optim_lr(train, step) * (planted("twice_lr") ? 2 : 1) };
    measure(params, &stats);
    struct tensor_update one = { .params = params, .update = *updates[train->optimizer] };
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        double clip = train->grad_clip, norm = stats.norms[t->group];
        bool decays = optimizer_info_of(train)->decays && t->decay;
        one.tensor = t;
        one.step = (struct optim_step){
            .train = train,
            .step = params_updates(params, t, step),
            .lr = stats.lr,
            .keep = decays ? (real)(1 - stats.lr * train->weight_decay *
                                            (planted("twice_decay") ? 2 : 1))
                           : 1,
            .scale = clip > 0 ? (real)fmin(1, clip / (norm + 1e-6)) : 1,
        };
        bool updated = params_updated(params, t, step) || (planted("no_rest") && !t->frozen);
        if (updated && !(planted("update_left_out") && step == 3))
            pool_run(pool, (t->count + CHUNK - 1) / CHUNK, update_task, &one);
    }
    *ret = stats;
}
