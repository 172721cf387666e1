/* dsa: the K best by the indexer's scores among s ≤ t; `published`: the future scored −1e9 instead
 * of forbidden. The indexer's loss is KL(p ‖ softmax of its scores) over the visible keys, p = the
 * head-mean probability, a constant (schema/numerics.md §2); the gradient of a score is
 * weight·(softmax − p).
 */
#include "worker/attn/kernel.h"
#include "worker/attn/select.h"
#include "worker/attn/softmax.h"
#include "worker/base/planted.h"
#include "worker/ops/vmath.h"

#include <math.h>
#include <string.h>

/* The score that the published code gives to future keys. */
static const real published_future = (real)-1e9;

static void dsa_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    struct select_block block = select_block(a, i);
    real *own = attn_block(a, thread, 0);
    topk_key *scratch = (topk_key *)(void *)attn_block(a, thread, 1);
    for (size_t r = 0; r < block.rows; r++) {
        size_t t = block.from + r, row = block.b * a->t + t, n = a->open ? a->t : t + 1;
        real *scores = indexer_scores_row(&a->indexer, row, own + r * a->t);
        for (size_t s = t + 1; s < n; s++)
            scores[s] = published_future;
        select_largest(a, row, scores, n, scratch);
        for (size_t k = 0; a->use_lists && k < (size_t)a->n[row]; k++)
            a->scores[row * a->k + k] = scores[a->keys[row * a->k + k]];
    }
}

/* Scores of a block, where they are kept or in the thread's scratch; then the choice among them. */
static void score_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    struct select_block block = select_block(a, i);
    indexer_scores(
        &a->indexer, block.b, block.from, block.rows,
        indexer_scores_row(&a->indexer, block.b * a->t + block.from, attn_block(a, thread, 0)));
    if (a->use_mask || a->use_lists)
        dsa_task(arg, i, thread);
}

static void choose(struct attn *attn, const struct batch_pass *pass, const real *x)
{
    indexer_forward(&attn->indexer, pass, x);
    pool_run(pass->pool, pass->batch * select_blocks(attn), score_task, attn);
}

struct learning {
    const struct attn_core *core;
    double *kl;              /* [B × T], in the first bytes of a scratch buffer */
    bool reversed, negative; /* when that is planted */
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

/* A fault for tests: KL(q ‖ p) and its gradient. */
static double reversed_row(real *scores, const real *sum, size_t n, real head_share, real weight)
{
    double most = -INFINITY, total = 0, kl = 0;
    for (size_t k = 0; k < n; k++)
        most = fmax(most, (double)scores[k]);
    for (size_t k = 0; k < n; k++)
        total += exp((double)scores[k] - most);
    for (int turn = 0; turn < 2; turn++)
        for (size_t k = 0; k < n; k++) {
            double q = exp((double)scores[k] - most) / total;
            double ratio = q > 0 ? log(q / fmax((double)(sum[k] * head_share), 1e-9)) : 0;
            if (turn == 0)
                kl += q * ratio;
            else
                scores[k] = (real)((double)weight * q * (ratio - kl));
        }
    return kl;
}

static double learn_query(const struct learning *l, real *scores, const real *sum, size_t n)
{
    real head_share = (real)(1.0 / (double)l->core->attn->h);
    real weight = (real)attn_kl_scale(l->core->attn, l->core->pass);
    if (l->reversed)
        return reversed_row(scores, sum, n, head_share, weight);
    return learn_row(scores, sum, n, head_share, l->negative ? -weight : weight);
}

/* A block of queries whose scores are kept as a matrix. */
static void matrix_task(void *arg, size_t i, int thread)
{
    const struct learning *l = arg;
    const struct attn *a = l->core->attn;
    struct select_block block = select_block(a, i);
    const real *sum = select_head_sum(l->core, &block, thread);
    for (size_t r = 0; r < block.rows; r++) {
        size_t t = block.from + r, row = block.b * a->t + t, n = attn_reach(a, t);
        const uint8_t *mask = attn_mask_row(a, row);
        real *scores = a->indexer.scores + row * a->t;
        for (size_t s = 0; mask != NULL && s < n; s++)
            scores[s] = mask[s] ? scores[s] : SOFTMAX_HIDDEN;
        l->kl[row] = learn_query(l, scores, sum + r * a->t, n);
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
    l->kl[row] = learn_query(l, scores, a->mean + row * a->k, n);
    for (size_t i = 0; i < n; i++)
        if ((size_t)a->keys[row * a->k + i] > row % a->t)
            scores[i] = 0;
}

static double learn(struct attn *attn, const struct batch_pass *pass, const real *x)
{
    size_t n = pass->batch * attn->t;
    struct attn_core core = { .attn = attn, .pass = pass, .scale = attn_scale(attn) };
    struct learning l = { &core, (double *)(void *)attn->shared->dqkv, planted("kl_reversed"),
                          planted("kl_sign") };
    if (attn->use_lists)
        pool_run(pass->pool, n, list_task, &l);
    else
        pool_run(pass->pool, pass->batch * select_blocks(attn), matrix_task, &l);
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

const struct attn_kind attn_dsa = { .select = choose, .learn = learn };
