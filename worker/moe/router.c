/* Logits, noise, the greatest k and their softmax for each token; and the gradient back through
 * that softmax and, for the balance loss, through the one over all experts. */
#include "worker/moe/router.h"

#include "common/philox.h"
#include "worker/base/planted.h"
#include "worker/ops/dots.h"
#include "worker/ops/gemm.h"
#include "worker/ops/vmath.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { TOKENS = 256 };

struct routing {
    struct moe *moe;
    size_t n, first; /* rows; the batch's number of row 0 */
    struct philox noise;
    uint64_t step;
    real amplitude; /* 0 = no noise */
    bool held;      /* chosen stays as it is */
};

static void softmax_small(const real *x, size_t n, real *y)
{
    real most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++) {
        y[i] = real_exp(x[i] - most);
        sum += y[i];
    }
    for (size_t i = 0; i < n; i++)
        y[i] /= sum;
}

/* The k greatest, ties to the lower index, in descending order. */
static void choose(const real *g, size_t e, size_t k, int32_t *chosen)
{
    for (size_t i = 0; i < k; i++) {
        int32_t best = -1;
        for (size_t j = 0; j < e; j++) {
            bool taken = false;
            for (size_t p = 0; p < i; p++)
                taken |= chosen[p] == (int32_t)j;
            if (!taken && (best < 0 || g[j] > g[best]))
                best = (int32_t)j;
        }
        chosen[i] = best;
    }
}

static void route_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct routing *r = arg;
    struct moe *m = r->moe;
    for (size_t n = i * TOKENS; n < (i + 1) * TOKENS && n < r->n; n++) {
        real *g = m->g + n * m->e, selected[ROUTER_MAX_CHOICES];
        int32_t *chosen = m->chosen + n * m->k;
        for (size_t e = 0; r->amplitude != 0 && e < m->e; e++)
            g[e] += r->amplitude *
                    (real)(float)philox_normal(&r->noise, r->step, (r->first + n) * m->e + e);
        softmax_small(g, m->e, m->probs + n * m->e);
        if (!r->held)
            choose(g, m->e, m->k, chosen);
        for (size_t k = 0; k < m->k; k++)
            selected[k] = g[chosen[k]];
        softmax_small(selected, m->k, m->weight + n * m->k);
    }
}

static void only_expert(struct moe *moe, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        moe->chosen[i] = 0;
        moe->weight[i] = 1;
    }
}

void router_forward(struct moe *moe, const struct batch_pass *pass, const real *x)
{
    size_t n = pass->batch * moe->t;
    if (moe->w_gate == NULL) {
        only_expert(moe, n);
        return;
    }
    struct routing r = {
        .moe = moe, .n = n, .first = pass->first * moe->t, .step = pass->step, .held = pass->held
    };
    if ((pass->step > 0 || planted("eval_noise")) && pass->spec->model.router_noise > 0) {
        r.noise = philox_stream(pass->spec->seed, "router", moe->noise_name);
        r.amplitude = (real)pass->spec->model.router_noise;
    }
    dots_shared(pass->pool, n, moe->e, moe->c, x, moe->w_gate, moe->shared->gate, moe->g);
    pool_run(pass->pool, (n + TOKENS - 1) / TOKENS, route_task, &r);
}

static double share(const struct moe *moe, size_t e, size_t n)
{
    return (double)(moe->first[e + 1] - moe->first[e]) / (double)(n * moe->k);
}

void router_stats(const struct moe *moe, size_t n, struct moe_stats *ret)
{
    *ret = (struct moe_stats){ 0, 1 };
    if (moe->w_gate == NULL)
        return;
    double most = 0;
    for (size_t e = 0; e < moe->e; e++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += (double)moe->probs[i * moe->e + e];
        ret->balance += (double)moe->e * share(moe, e, n) * mean / (double)n;
        most = share(moe, e, n) > most ? share(moe, e, n) : most;
    }
    ret->imbalance = most * (double)moe->e;
}

static double squares(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

double router_spread(const struct moe *moe, size_t n, const real *x)
{
    double spread = 0;
    for (size_t i = 0; moe->w_gate != NULL && i < n; i++) {
        const real *p = moe->probs + i * moe->e, *g = moe->g + i * moe->e;
        double each = (double)moe->e / (double)n, norm = squares(x + i * moe->c, moe->c), mean = 0;
        for (size_t e = 0; e < moe->e; e++)
            mean += share(moe, e, n) * (double)p[e];
        for (size_t e = 0; e < moe->e; e++) {
            double slope = each * (double)p[e] * (share(moe, e, n) - mean);
            double logit = squares(moe->w_gate + e * moe->c, moe->c) * norm / (double)moe->c;
            spread += slope * slope * (logit + pow((double)g[e] / 16, 2));
        }
    }
    return spread;
}

/* ∂(weight·balance)/∂probs[n,e] = weight·E·f_e/N, the same for every token; as the mean over
 * micro-batches that is 1/(B·T). */
void router_backward_begin(struct moe *moe, const struct batch_pass *pass)
{
    size_t n = pass->batch * moe->t;
    assert(moe->w_gate == NULL || pass->tokens >= n);
    for (size_t e = 0; moe->w_gate != NULL && e < moe->e; e++)
        moe->shared->slope[e] = (real)(pass->spec->model.balance_weight * (double)moe->e *
                                       share(moe, e, n) / (double)pass->tokens);
}

void router_backward_token(const struct moe *moe, size_t n, const real *dweight)
{
    if (moe->w_gate == NULL)
        return;
    const real *p = moe->probs + n * moe->e, *w = moe->weight + n * moe->k,
               *slope = moe->shared->slope;
    real *dg = moe->shared->dg + n * moe->e, along = 0, dot = 0;
    for (size_t e = 0; e < moe->e; e++)
        along += p[e] * slope[e];
    for (size_t e = 0; e < moe->e; e++)
        dg[e] = p[e] * (slope[e] - along);
    for (size_t k = 0; k < moe->k; k++)
        dot += w[k] * dweight[k];
    for (size_t k = 0; k < moe->k; k++)
        dg[moe->chosen[n * moe->k + k]] += w[k] * (dweight[k] - dot);
}

void router_backward(struct moe *moe, const struct batch_pass *pass, const real *x, real *dx)
{
    size_t n = pass->batch * moe->t, c = moe->c, e = moe->e;
    if (moe->w_gate == NULL)
        return;
    gemm_shared(pass->pool, e, c, n, (struct mat){ moe->shared->dg, e, true },
                (struct mat){ x, c, false }, 1, moe->dw_gate, c);
    gemm_shared(pass->pool, n, c, e, (struct mat){ moe->shared->dg, e, false },
                (struct mat){ moe->w_gate, c, false }, 1, dx, c);
}
