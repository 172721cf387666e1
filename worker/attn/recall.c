/* The dense probabilities are made once more, block by block, since a sparse pass never had those
 * of the keys that it left out. */
#include "worker/attn/recall.h"

#include "worker/attn/kernel.h"
#include "worker/attn/select.h"

#include <math.h>

struct recall {
    const struct attn *attn;
    double *mass; /* [B × T], in the first bytes of a scratch buffer */
};

static double mass_of(const struct attn *a, size_t row, const real *p, size_t n)
{
    double mass = 0;
    if (a->use_lists)
        for (size_t i = 0; i < (size_t)a->n[row]; i++)
            mass += (double)p[a->keys[row * a->k + i]];
    else
        for (size_t s = 0; s < n; s++)
            mass += a->mask[row * a->t + s] ? (double)p[s] : 0;
    return mass / (double)a->h;
}

static void recall_task(void *arg, size_t i, int thread)
{
    const struct recall *recall = arg;
    const struct attn *a = recall->attn;
    struct select_block block = select_block(a, i);
    real *sum = attn_block(a, thread, 0);
    select_dense_sum(a, &block, sum, attn_block(a, thread, 1));
    for (size_t r = 0; r < block.rows; r++) {
        size_t t = block.from + r, row = block.b * a->t + t;
        recall->mass[row] = t < a->k ? 0 : mass_of(a, row, sum + r * a->t, t + 1);
    }
}

double attn_recall(struct attn *attn, const struct batch_pass *pass, double *each)
{
    if (!attn_leaves_out(attn))
        return NAN;
    struct recall recall = { attn, (double *)(void *)attn->shared->dy };
    select_dense_pack(attn, pass);
    pool_run(pass->pool, pass->batch * select_blocks(attn), recall_task, &recall);
    double total = 0;
    for (size_t row = 0; row < pass->batch * attn->t; row++)
        total += recall.mass[row];
    for (size_t row = 0; each != NULL && row < pass->batch * attn->t; row++)
        each[row / attn->t] += recall.mass[row] / (double)(attn->t - attn->k);
    return total / (double)(pass->batch * (attn->t - attn->k));
}
