#include "worker/attn/select.h"

#include "common/philox.h"
#include "worker/attn/attn.h"
#include "worker/attn/softmax.h"
#include "worker/ops/gemm.h"
#include "worker/ops/topk.h"

#include <math.h>
#include <string.h>

/* What the published code scores future keys with. */
static const real published_future = (real)-1e9;

/* The thread's scratch, as room for 2T keys. */
static topk_key *keys_of(const struct attn *a, int thread)
{
    return (topk_key *)(void *)(a->shared->blocks + (size_t)thread * 2 * ATTN_BLOCK * a->t);
}

static void dsa_task(void *arg, size_t row, int thread)
{
    const struct attn *a = arg;
    size_t t = row % a->t;
    real *scores = a->indexer.scores + row * a->t;
    uint8_t *mask = a->mask + row * a->t;
    size_t n = t + 1;
    if (a->open) {
        for (size_t s = n; s < a->t; s++)
            scores[s] = published_future;
        n = a->t;
    }
    topk_mask(scores, n, a->k, mask, keys_of(a, thread));
    memset(mask + n, 0, a->t - n);
}

void select_dsa(struct attn *attn, const struct pass *pass, const real *x)
{
    indexer_forward(&attn->indexer, pass, x);
    if (attn->use_mask)
        pool_run(pass->pool, pass->batch * attn->t, dsa_task, attn);
}

struct learning {
    struct attn *attn;
    const struct pass *pass;
    double *kl; /* [B × T], in the first bytes of a scratch buffer */
};

/* One query: its KL, and dI = weight·(softmax(I) − p) on the visible past keys, in place of I. */
static void learn_task(void *arg, size_t row, int thread)
{
    const struct learning *l = arg;
    const struct attn *a = l->attn;
    size_t b = row / a->t, t = row % a->t, n = a->open && a->use_mask ? a->t : t + 1;
    real *scores = a->indexer.scores + row * a->t;
    real *p = a->shared->blocks + (size_t)thread * 2 * ATTN_BLOCK * a->t;
    const uint8_t *mask = a->use_mask ? a->mask + row * a->t : NULL;
    memset(p, 0, n * sizeof *p);
    for (size_t h = 0; h < a->h; h++) {
        const real *probs = a->probs + ((b * a->h + h) * a->t + t) * a->t;
        for (size_t s = 0; s < n; s++)
            p[s] += probs[s] < 0 ? -probs[s] : probs[s];
    }
    double most = -INFINITY, sum = 0, kl = 0;
    for (size_t s = 0; s < n; s++)
        if ((mask == NULL || mask[s]) && (double)scores[s] > most)
            most = (double)scores[s];
    for (size_t s = 0; s < n; s++)
        if (mask == NULL || mask[s])
            sum += exp((double)scores[s] - most);
    double log_sum = log(sum), weight = l->pass->kl_scale;
    for (size_t s = 0; s < n; s++) {
        bool visible = mask == NULL || mask[s];
        double target = (double)p[s] / (double)a->h, log_q = (double)scores[s] - most - log_sum;
        if (visible && target > 0)
            kl += target * (log(target) - log_q);
        scores[s] = visible ? (real)(weight * (exp(log_q) - target)) : 0;
    }
    /* The future's score is a constant, and a block of queries reads past each one's own place. */
    memset(scores + t + 1, 0, (a->t - t - 1) * sizeof *scores);
    l->kl[row] = kl;
}

double select_dsa_learn(struct attn *attn, const struct pass *pass, const real *x)
{
    size_t n = pass->batch * attn->t;
    struct learning l = { attn, pass, (double *)(void *)attn->shared->dqkv };
    pool_run(pass->pool, n, learn_task, &l);
    double total = 0;
    for (size_t row = 0; row < n; row++)
        total += l.kl[row];
    indexer_backward(&attn->indexer, pass, x);
    return total / (double)n;
}

static void window_task(void *arg, size_t row, int thread)
{
    (void)thread;
    const struct attn *a = arg;
    size_t t = row % a->t;
    for (size_t s = 0; s < a->t; s++)
        a->mask[row * a->t + s] = s <= t && (s + a->window > t || s < a->sink);
}

void select_window(struct attn *attn, const struct pass *pass, const real *x)
{
    (void)x;
    if (attn->use_mask)
        pool_run(pass->pool, pass->batch * attn->t, window_task, attn);
}

struct lot {
    struct attn *attn;
    struct philox stream;
    uint64_t step;
};

static void random_task(void *arg, size_t row, int thread)
{
    const struct lot *lot = arg;
    const struct attn *a = lot->attn;
    size_t n = row % a->t + 1;
    topk_key *keys = keys_of(a, thread);
    uint32_t *words = (uint32_t *)(void *)(keys + 2 * a->t);
    uint8_t *mask = a->mask + row * a->t;
    philox_words(&lot->stream, lot->step, row * a->t, n, words);
    topk_mask_smallest(words, n, a->k, mask, keys);
    memset(mask + n, 0, a->t - n);
}

void select_random(struct attn *attn, const struct pass *pass, const real *x)
{
    (void)x;
    struct lot lot = { attn, philox_stream(pass->spec->seed, "select", attn->select_name),
                       pass->step };
    pool_run(pass->pool, pass->batch * attn->t, random_task, &lot);
}

/* A block of queries: the heads' dense probabilities added up, then the choice. */
static void oracle_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    size_t blocks = (a->t + ATTN_BLOCK - 1) / ATTN_BLOCK, ld = 3 * a->c;
    size_t b = i / blocks, from = i % blocks * ATTN_BLOCK;
    size_t rows = a->t - from < ATTN_BLOCK ? a->t - from : ATTN_BLOCK, cols = from + rows;
    real *p = a->shared->blocks + (size_t)thread * 2 * ATTN_BLOCK * a->t;
    real *total = p + ATTN_BLOCK * a->t;
    memset(total, 0, ATTN_BLOCK * a->t * sizeof *total);
    for (size_t h = 0; h < a->h; h++) {
        const real *q = a->qkv + b * a->t * ld + h * a->d, *k = q + a->c;
        gemm(rows, cols, a->d, (real)(1.0 / sqrt((double)a->d)),
             (struct mat){ q + from * ld, ld, false }, (struct mat){ k, ld, true }, 0, p, a->t);
        for (size_t r = 0; r < rows; r++) {
            softmax_forward(p + r * a->t, cols, from + r + 1, NULL);
            for (size_t s = 0; s < cols; s++)
                total[r * a->t + s] += p[r * a->t + s];
        }
    }
    for (size_t r = 0; r < rows; r++) {
        size_t n = from + r + 1;
        uint8_t *mask = a->mask + (b * a->t + from + r) * a->t;
        topk_mask(total + r * a->t, n, a->k, mask, keys_of(a, thread));
        memset(mask + n, 0, a->t - n);
    }
}

void select_oracle(struct attn *attn, const struct pass *pass, const real *x)
{
    (void)x;
    pool_run(pass->pool, pass->batch * ((attn->t + ATTN_BLOCK - 1) / ATTN_BLOCK), oracle_task,
             attn);
}
