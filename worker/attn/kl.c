/* A query at a time: its visible keys are listed, with their scores and probabilities; then the
 * softmax and the sum. Nothing is made cheaper than the formula has it. */
#include "worker/attn/kl.h"

#include "worker/attn/kernel.h"
#include "worker/attn/select.h"
#include "worker/ops/sparse.h"

#include <math.h>

struct row_kl {
    double kl, scores; /* of a query: KL, mean square of the scores about their mean */
};

struct measure {
    const struct attn_core *core;
    const struct attn_kl_point *point;
    struct row_kl *rows; /* [B × T], in the first bytes of a scratch buffer */
};

/* The visible keys of a query, [n] each, in a thread's scratch. */
struct seen {
    int32_t *at;       /* where a key's row begins, in k of its sequence */
    real *scores, *p;  /* p: summed over heads */
    real *now, *point; /* a head's q·k */
    size_t n;
};

static struct seen seen_of(const struct attn *a, int thread)
{
    real *room = attn_block(a, thread, 1);
    size_t t = a->t;
    return (struct seen){
        (int32_t *)(void *)room, room + t, room + 2 * t, room + 3 * t, room + 4 * t, 0
    };
}

static void see(const struct attn *a, struct seen *seen, size_t s, real score, real p)
{
    seen->at[seen->n] = (int32_t)(s * a->indexer.i);
    seen->scores[seen->n] = score;
    seen->p[seen->n++] = p;
}

/* Scores as if each head's gate were what it was at the point. */
static void hold_gates(const struct attn *a, const struct attn_kl_point *point, size_t row,
                       struct seen *seen)
{
    const struct indexer *x = &a->indexer;
    const struct sparse_kernels *kernels = sparse_kernels(x->i);
    size_t from = row / x->t * x->t * x->i;
    for (size_t j = 0; j < x->j; j++) {
        size_t q = (row * x->j + j) * x->i;
        real by = x->scale * x->w[row * x->j + j];
        kernels->dots(x->q + q, x->k + from, seen->at, seen->n, x->i, seen->now);
        kernels->dots(point->q + q, point->k + from, seen->at, seen->n, x->i, seen->point);
        for (size_t i = 0; i < seen->n; i++)
            if ((seen->now[i] > 0) != (seen->point[i] > 0))
                seen->scores[i] += seen->point[i] > 0 ? by * seen->now[i] : -by * seen->now[i];
    }
}

static struct row_kl row_kl(const struct attn *a, const struct seen *seen)
{
    double most = -INFINITY, total = 0, kl = 0, mean = 0, squares = 0, n = (double)seen->n;
    for (size_t k = 0; k < seen->n; k++)
        most = fmax(most, (double)seen->scores[k]);
    for (size_t k = 0; k < seen->n; k++) {
        double score = (double)seen->scores[k];
        total += exp(score - most);
        mean += score / n;
        squares += score * score / n;
    }
    for (size_t k = 0; k < seen->n; k++) {
        double p = (double)seen->p[k] / (double)a->h;
        kl += p > 0 ? p * (log(p) - ((double)seen->scores[k] - most - log(total))) : 0;
    }
    return (struct row_kl){ kl, squares - mean * mean };
}

static void settle_row(const struct measure *m, size_t row, struct seen *seen)
{
    const struct attn *a = m->core->attn;
    if (m->point != NULL)
        hold_gates(a, m->point, row, seen);
    m->rows[row] = row_kl(a, seen);
}

static void matrix_task(void *arg, size_t i, int thread)
{
    const struct measure *m = arg;
    const struct attn *a = m->core->attn;
    struct select_block block = select_block(a, i);
    const real *sum = select_head_sum(m->core, &block, thread);
    for (size_t r = 0; r < block.rows; r++) {
        size_t t = block.from + r, row = block.b * a->t + t;
        size_t n = attn_reach(a, t);
        const uint8_t *mask = attn_mask_row(a, row);
        struct seen seen = seen_of(a, thread);
        for (size_t s = 0; s < n; s++)
            if (mask == NULL || mask[s])
                see(a, &seen, s, a->indexer.scores[row * a->t + s], sum[r * a->t + s]);
        settle_row(m, row, &seen);
    }
}

static void list_task(void *arg, size_t row, int thread)
{
    const struct measure *m = arg;
    const struct attn *a = m->core->attn;
    struct seen seen = seen_of(a, thread);
    for (size_t i = row * a->k; i < row * a->k + (size_t)a->n[row]; i++)
        see(a, &seen, (size_t)a->keys[i], a->scores[i], a->mean[i]);
    settle_row(m, row, &seen);
}

void attn_kl_keep(const struct attn *attn, const struct batch_pass *pass,
                  struct attn_kl_point *point)
{
    size_t n = pass->batch * attn->t * attn->indexer.i;
    memcpy(point->q, attn->indexer.q, n * attn->indexer.j * sizeof *point->q);
    memcpy(point->k, attn->indexer.k, n * sizeof *point->k);
}

struct attn_kl attn_kl(struct attn *attn, const struct batch_pass *pass,
                       const struct attn_kl_point *point)
{
    size_t n = pass->batch * attn->t;
    struct attn_core core = { .attn = attn, .pass = pass, .scale = attn_scale(attn) };
    struct measure m = { &core, point, (struct row_kl *)(void *)attn->shared->dqkv };
    if (attn->use_lists)
        pool_run(pass->pool, n, list_task, &m);
    else
        pool_run(pass->pool, pass->batch * select_blocks(attn), matrix_task, &m);
    struct attn_kl found = { 0 };
    for (size_t row = 0; row < n; row++) {
        found.kl += m.rows[row].kl / (double)n;
        found.scores += m.rows[row].scores / (double)n;
    }
    found.scores = sqrt(fmax(found.scores, 0));
    return found;
}
