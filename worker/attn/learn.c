/* What the indexer learns: KL(p ‖ softmax of its scores) over the visible keys, p = the head-mean
 * probability, a constant (NUMERICS §2). The gradient of a score is weight·(softmax − p). */
#include "worker/attn/attn.h"
#include "worker/attn/select.h"
#include "worker/attn/softmax.h"
#include "worker/ops/vmath.h"

#include <math.h>
#include <string.h>

struct learning {
    const struct attn_core *core;
    double *kl; /* [B × T], in the first bytes of a scratch buffer */
};

/* One query's n keys; sum[n]: probabilities summed over heads. scores become their gradients; a
 * hidden one (SOFTMAX_HIDDEN, of probability 0) gets 0. Returns the KL. */
SIMD static double learn_row(real *scores, const real *sum, size_t n, real head_share, real weight)
{
    double totals[SIMD_LANES] = { 0 }, kls[SIMD_LANES] = { 0 }, total = 0, kl = 0;
    real most = lanes_max(scores, n, SOFTMAX_HIDDEN);
    for (size_t k = 0; k < n; k += SIMD_LANES)
        for (size_t j = 0; j < SIMD_LANES && k + j < n; j++)
            totals[j] += (double)real_exp(scores[k + j] - most);
    for (int j = 0; j < SIMD_LANES; j++)
        total += totals[j];
    real log_total = (real)log(total), share = (real)(1 / total);
    for (size_t k = 0; k < n; k += SIMD_LANES)
        for (size_t j = 0; j < SIMD_LANES && k + j < n; j++) {
            real p = sum[k + j] * head_share, score = scores[k + j] - most;
            real part = p > 0 ? p * (real_log(p > 0 ? p : 1) - (score - log_total)) : 0;
            kls[j] += (double)part;
            scores[k + j] = weight * (real_exp(score) * share - p);
        }
    for (int j = 0; j < SIMD_LANES; j++)
        kl += kls[j];
    return kl;
}

static real weight_of(const struct learning *l)
{
    return (real)attn_kl_scale(l->core->attn, l->core->pass);
}

/* A block of queries whose scores are kept as a matrix. */
static void matrix_task(void *arg, size_t i, int thread)
{
    const struct learning *l = arg;
    const struct attn *a = l->core->attn;
    const struct attn_path *path = a->use_mask ? a->path : a->dense_path;
    size_t blocks = (a->t + ATTN_BLOCK - 1) / ATTN_BLOCK, b = i / blocks;
    size_t from = i % blocks * ATTN_BLOCK, left = a->t - from;
    size_t rows = left < ATTN_BLOCK ? left : ATTN_BLOCK, cols = attn_reach(a, from + rows - 1);
    real *sum = attn_block(a, thread, 0);
    path->head_sum(l->core, b, from, rows, cols, sum, attn_block(a, thread, 1));
    for (size_t r = 0; r < rows; r++) {
        size_t t = from + r, row = b * a->t + t, n = a->open && a->use_mask ? a->t : t + 1;
        const uint8_t *mask = attn_mask_row(a, row);
        real *scores = a->indexer.scores + row * a->t;
        for (size_t s = 0; mask != NULL && s < n; s++)
            scores[s] = mask[s] ? scores[s] : SOFTMAX_HIDDEN;
        l->kl[row] = learn_row(scores, sum + r * a->t, n, (real)(1.0 / (double)a->h), weight_of(l));
        /* The future's score is a constant, and a block reads past each query's own place. */
        memset(scores + t + 1, 0, (a->t - t - 1) * sizeof *scores);
    }
}

/* A query whose visible keys are a list. */
static void list_task(void *arg, size_t row, int thread)
{
    (void)thread;
    const struct learning *l = arg;
    const struct attn *a = l->core->attn;
    size_t n = (size_t)a->n[row];
    real *scores = a->scores + row * a->k;
    l->kl[row] =
        learn_row(scores, a->mean + row * a->k, n, (real)(1.0 / (double)a->h), weight_of(l));
    for (size_t i = 0; i < n; i++)
        if ((size_t)a->keys[row * a->k + i] > row % a->t)
            scores[i] = 0;
}

double select_dsa_learn(struct attn *attn, const struct pass *pass, const real *x)
{
    size_t n = pass->batch * attn->t, blocks = (attn->t + ATTN_BLOCK - 1) / ATTN_BLOCK;
    struct attn_core core = { .attn = attn, .pass = pass, .scale = attn_scale(attn) };
    struct learning l = { &core, (double *)(void *)attn->shared->dqkv };
    if (attn->use_lists)
        pool_run(pass->pool, n, list_task, &l);
    else
        pool_run(pass->pool, pass->batch * blocks, matrix_task, &l);
    double total = 0;
    for (size_t row = 0; row < n; row++)
        total += l.kl[row];
    if (attn->use_lists)
        indexer_backward_lists(
            &attn->indexer, pass, x,
            &(struct indexer_lists){ attn->keys, attn->n, attn->scores, attn->k });
    else
        indexer_backward(&attn->indexer, pass, x);
    return total / (double)n;
}
