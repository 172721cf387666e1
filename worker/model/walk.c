/* The walk: embedding, blocks, norm; and back. What a half of a block adds is its branch. */
#include "worker/model/walk.h"

#include "worker/data/tasks.h"
#include "worker/model/model_priv.h"
#include "worker/ops/act.h"
#include "worker/ops/drop.h"
#include "worker/ops/norm.h"

#include <assert.h>
#include <string.h>

void walk_take(struct model *m, const int32_t *windows, size_t batch)
{
    assert(batch <= m->batch);
    for (size_t b = 0; b < batch; b++)
        for (size_t t = 0; t < m->t; t++) {
            const int32_t *window = windows + b * (m->t + 1);
            int32_t input = task_input(&m->spec.data, window[t]);
            assert((size_t)input < m->v && window[t + 1] < (int32_t)m->v);
            m->inputs[b * m->t + t] = input;
            m->targets[b * m->t + t] = window[t + 1] < 0 ? LOSS_UNSCORED : window[t + 1];
        }
}

static void embed_task(void *arg, size_t b, int thread)
{
    (void)thread;
    struct model *m = arg;
    for (size_t i = b * m->t; i < (b + 1) * m->t; i++)
        memcpy(m->blocks[0].in + i * m->c, m->w_embed + (size_t)m->inputs[i] * m->c,
               m->c * sizeof(real));
}

/* A strip of the embedding's columns: tokens that repeat are added in order. */
enum { EMBED_STRIP = 32 };

static void embed_backward_task(void *arg, size_t strip, int thread)
{
    (void)thread;
    struct model *m = arg;
    size_t from = strip * EMBED_STRIP, to = from + EMBED_STRIP < m->c ? from + EMBED_STRIP : m->c;
    for (size_t i = 0; i < m->batch * m->t; i++) {
        real *dw = m->dw_embed + (size_t)m->inputs[i] * m->c;
        const real *d = m->dx + i * m->c;
        for (size_t k = from; k < to; k++)
            dw[k] += d[k];
    }
}

struct keeping {
    const struct drop *drop;
    uint8_t *keep;
    size_t n;
};
enum { KEEP_CHUNK = 1 << 14 };

static void keep_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct keeping *k = arg;
    size_t at = i * KEEP_CHUNK, n = k->n - at < KEEP_CHUNK ? k->n - at : KEEP_CHUNK;
    drop_mask(k->drop, at, n, k->keep + at);
}

static struct drop branch_drop(const struct model *m, const struct batch_pass *pass,
                               const char *name)
{
    return drop_of(m->spec.seed, name, pass->spec->model.dropout, pass->step,
                   pass->first * m->t * m->c);
}

/* out = x + drop(branch); draws the mask into keep. */
static void add_branch(const struct model *m, const struct batch_pass *pass, const char *name,
                       uint8_t *keep, const real *x, real *out)
{
    struct drop drop = branch_drop(m, pass, name);
    size_t n = pass->batch * m->t * m->c;
    if (drop.threshold > 0)
        pool_run(pass->pool, (n + KEEP_CHUNK - 1) / KEEP_CHUNK, keep_task,
                 &(struct keeping){ &drop, keep, n });
    act_add_drop(pass->pool, x, m->branch, drop.threshold > 0 ? keep : NULL, drop.scale, n, out);
}

static void take_branch(const struct model *m, const struct batch_pass *pass, const char *name,
                        const uint8_t *keep)
{
    struct drop drop = branch_drop(m, pass, name);
    act_drop_backward(pass->pool, m->dx, drop.threshold > 0 ? keep : NULL, drop.scale,
                      pass->batch * m->t * m->c, m->dbranch);
}

void walk_forward(struct model *m, const struct batch_pass *pass, struct model_stats *stats)
{
    size_t n = pass->batch * m->t;
    pool_run(pass->pool, pass->batch, embed_task, m);
    for (size_t l = 0; l < m->layers; l++) {
        struct block *b = &m->blocks[l];
        struct moe_stats moe;
        real *out = l + 1 < m->layers ? b[1].in : m->out;
        norm_forward(pass->pool, n, m->c, b->in, b->w_norm1, b->normed1, b->rstd1);
        attn_forward(&b->attn, pass, b->normed1, m->branch);
        add_branch(m, pass, b->drop1, b->keep1, b->in, b->mid);
        norm_forward(pass->pool, n, m->c, b->mid, b->w_norm2, b->normed2, b->rstd2);
        moe_forward(&b->moe, pass, b->normed2, m->branch, &moe);
        add_branch(m, pass, b->drop2, b->keep2, b->mid, out);
        stats->balance += moe.balance;
        stats->imbalance += moe.imbalance / (double)m->layers;
    }
    norm_forward(pass->pool, n, m->c, m->out, m->w_norm, m->normed, m->rstd);
}

void walk_backward(struct model *m, const struct batch_pass *pass, struct model_stats *stats)
{
    size_t n = pass->batch * m->t;
    memset(m->dx, 0, n * m->c * sizeof *m->dx);
    norm_backward(pass->pool, n, m->c, m->out, m->w_norm, m->rstd, m->dnormed, m->dx, m->dw_norm,
                  m->parts);
    for (size_t l = m->layers; l-- > 0;) {
        struct block *b = &m->blocks[l];
        take_branch(m, pass, b->drop2, b->keep2);
        moe_backward(&b->moe, pass, b->normed2, m->dbranch, m->dnormed);
        norm_backward(pass->pool, n, m->c, b->mid, b->w_norm2, b->rstd2, m->dnormed, m->dx,
                      b->dw_norm2, m->parts);
        take_branch(m, pass, b->drop1, b->keep1);
        stats->kl += attn_backward(&b->attn, pass, b->normed1, m->dbranch, m->dnormed);
        norm_backward(pass->pool, n, m->c, b->in, b->w_norm1, b->rstd1, m->dnormed, m->dx,
                      b->dw_norm1, m->parts);
    }
    pool_run(pass->pool, (m->c + EMBED_STRIP - 1) / EMBED_STRIP, embed_backward_task, m);
}
