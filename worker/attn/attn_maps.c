/* A task is a row of cells of one window. It makes the scores of its queries again, head by head, by
 * the product that the choice goes by, and their softmax over the keys that each sees: the kernels
 * keep probabilities in different forms, or none at all. */
#include "worker/attn/attn_maps.h"

#include "common/spec/maps.h"
#include "worker/attn/kernel.h"
#include "worker/attn/select.h"
#include "worker/attn/softmax.h"

#include <math.h>
#include <string.h>

struct job {
    const struct attn *attn;
    const struct attn_maps *maps;
};

/* A row of cells: sums over its queries. */
struct sums {
    double sees[MAPS_SIDE], dense[MAPS_SIDE], head[MAPS_SIDE], mean[MAPS_SIDE];
};

static uint8_t as_byte(double share)
{
    return share > 0 ? (uint8_t)(255 * fmin(share, 1) + 0.5) : 0;
}

/* A row of cells, of `queries` queries, whose sums are over `over` heads. */
static void put_mass(const struct job *job, const double *sums, size_t queries, size_t over,
                     uint8_t *ret)
{
    for (size_t i = 0; i < job->maps->side; i++)
        ret[i] = as_byte(sqrt(sums[i] / (double)(queries * over)));
}

static void add(double *sums, size_t pool, const real *p, size_t n)
{
    for (size_t s = 0; s < n; s++)
        sums[s / pool] += (double)p[s];
}

/* One query's probabilities, from its scores (which it takes) against every key it can reach. */
static void add_query(const struct job *job, size_t b, size_t t, real *scores, size_t cols,
                      real *scratch, struct sums *sums)
{
    const struct attn *a = job->attn;
    size_t row = b * a->t + t, pool = job->maps->pool;
    if (attn_chose(a)) {
        memcpy(scratch, scores, (t + 1) * sizeof *scratch);
        softmax_forward(scratch, t + 1, t + 1, NULL);
        add(sums->dense, pool, scratch, t + 1);
    }
    if (!a->use_lists) {
        softmax_forward(scores, cols, t + 1, attn_mask_row(a, row));
        add(sums->head, pool, scores, cols);
        return;
    }
    const int32_t *keys = a->keys + row * a->k;
    size_t n = (size_t)a->n[row];
    for (size_t i = 0; i < n; i++)
        scratch[i] = scores[keys[i]];
    softmax_forward(scratch, n, n, NULL);
    for (size_t i = 0; i < n; i++)
        sums->head[(size_t)keys[i] / pool] += (double)scratch[i];
}

static void add_seen(const struct job *job, size_t b, size_t t, struct sums *sums)
{
    const struct attn *a = job->attn;
    size_t row = b * a->t + t, pool = job->maps->pool;
    for (size_t i = 0; a->use_lists && i < (size_t)a->n[row]; i++)
        sums->sees[(size_t)a->keys[row * a->k + i] / pool]++;
    for (size_t s = 0; a->use_mask && s < a->t; s++)
        sums->sees[s / pool] += a->mask[row * a->t + s] != 0;
}

/* A head's probabilities of the queries from … to − 1 into sums->head, and of dense attention. */
static void add_head(const struct job *job, size_t b, size_t h, size_t from, size_t to, int thread,
                     struct sums *sums)
{
    const struct attn *a = job->attn;
    real *scores = attn_block(a, thread, 0), *scratch = attn_block(a, thread, 1);
    struct select_block block = { b, from, 0 };
    for (; block.from < to; block.from += block.rows) {
        block.rows = to - block.from < ATTN_BLOCK ? to - block.from : ATTN_BLOCK;
        size_t cols = attn_reach(a, block.from + block.rows - 1);
        select_dense_scores(a, &block, h, cols, scores);
        for (size_t r = 0; r < block.rows; r++)
            add_query(job, b, block.from + r, scores + r * a->t, cols, scratch, sums);
    }
}

static void row_task(void *arg, size_t i, int thread)
{
    const struct job *job = arg;
    const struct attn *a = job->attn;
    const struct attn_maps *m = job->maps;
    size_t b = i / m->side, at = i % m->side, from = at * m->pool, heads = m->heads ? a->h : 1;
    size_t to = from + m->pool < a->t ? from + m->pool : a->t, queries = to - from;
    struct sums sums = { 0 };
    for (size_t h = 0; h < a->h; h++) {
        memset(sums.head, 0, sizeof sums.head);
        add_head(job, b, h, from, to, thread, &sums);
        for (size_t s = 0; s < m->side; s++)
            sums.mean[s] += sums.head[s];
        if (m->heads)
            put_mass(job, sums.head, queries, 1,
                     m->mass + ((b * heads + h) * m->side + at) * m->side);
    }
    if (!m->heads)
        put_mass(job, sums.mean, queries, a->h, m->mass + i * m->side);
    if (!attn_chose(a))
        return;
    for (size_t t = from; t < to; t++)
        add_seen(job, b, t, &sums);
    put_mass(job, sums.dense, queries, a->h, m->dense + i * m->side);
    for (size_t s = 0; s < m->side; s++) {
        size_t first = s * m->pool, keys = a->t - first < m->pool ? a->t - first : m->pool;
        m->sees[i * m->side + s] = as_byte(sums.sees[s] / (double)(queries * keys));
    }
}

void attn_maps(struct attn *attn, const struct batch_pass *pass, const struct attn_maps *ret)
{
    select_dense_pack(attn, pass);
    pool_run(pass->pool, ret->windows * ret->side, row_task, &(struct job){ attn, ret });
}
