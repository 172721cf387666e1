#include "worker/optim.h"

#include "worker/ops/vmath.h"

#include <math.h>
#include <stdbool.h>

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

struct adam {
    real b1, b2, rest1, rest2, size, root2, eps, keep, scale;
};

/* As PyTorch: p −= lr/(1−β1^s)·m / (√v/√(1−β2^s) + eps); AdamW first p *= 1 − lr·decay. */
SIMD static void update(const struct adam *a, size_t n, real *restrict p, const real *restrict grad,
                        real *restrict m, real *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * a->scale;
        m[i] = m[i] * a->b1 + g * a->rest1;
        v[i] = v[i] * a->b2 + g * g * a->rest2;
        real denominator = real_sqrt(v[i]) / a->root2 + a->eps;
        p[i] = p[i] * a->keep - a->size * (m[i] / denominator);
    }
}

struct sweep {
    struct params *params;
    struct adam adam;
    const struct spec_train *train;
    const struct tensor *tensor;
};

static void update_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct sweep *s = arg;
    struct params *p = s->params;
    size_t from = i * CHUNK, n = s->tensor->count - from, at = s->tensor->offset + from;
    update(&s->adam, n < CHUNK ? n : CHUNK, p->value + at, p->grad + at, p->m + at, p->v + at);
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
    struct optim_stats stats = { .lr = optim_lr(train, step) };
    measure(params, &stats);
    double b1 = train->betas[0], b2 = train->betas[1], s = (double)step;
    struct sweep sweep = { .params = params, .train = train };
    sweep.adam = (struct adam){
        .b1 = (real)b1,
        .b2 = (real)b2,
        .rest1 = (real)(1 - b1),
        .rest2 = (real)(1 - b2),
        .size = (real)(stats.lr / (1 - pow(b1, s))),
        .root2 = (real)sqrt(1 - pow(b2, s)),
        .eps = (real)train->eps,
    };
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        double clip = train->grad_clip, norm = stats.norms[t->group];
        bool decays = train->optimizer == OPTIMIZER_ADAMW && t->decay;
        sweep.tensor = t;
        sweep.adam.keep = decays ? (real)(1 - stats.lr * train->weight_decay) : 1;
        sweep.adam.scale = clip > 0 ? (real)fmin(1, clip / (norm + 1e-6)) : 1;
        if (!t->frozen)
            pool_run(pool, (t->count + CHUNK - 1) / CHUNK, update_task, &sweep);
    }
    *ret = stats;
}
