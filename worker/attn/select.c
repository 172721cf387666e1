/* Kinds give each key of a query a score, or say directly which ones they want. What is chosen
 * becomes a row of the mask or a list, as the path of this pass wants it. */
#include "worker/attn/select.h"

#include "common/philox.h"
#include "worker/attn/attn.h"
#include "worker/attn/softmax.h"
#include "worker/ops/dots.h"
#include "worker/ops/topk.h"

#include <math.h>
#include <string.h>

/* What the published code scores future keys with. */
static const real published_future = (real)-1e9;

static size_t blocks_of(const struct attn *a)
{
    return (a->t + ATTN_BLOCK - 1) / ATTN_BLOCK;
}

/* A block of queries of one sequence, by the number of its task. */
struct block {
    size_t b, from, rows;
};

static struct block block_of(const struct attn *a, size_t i)
{
    size_t from = i % blocks_of(a) * ATTN_BLOCK, left = a->t - from;
    return (struct block){ i / blocks_of(a), from, left < ATTN_BLOCK ? left : ATTN_BLOCK };
}

/* The K largest of scores[n], as `row` of what this pass uses. */
static void take_largest(const struct attn *a, size_t row, const real *scores, size_t n,
                         topk_key *scratch)
{
    if (a->use_lists) {
        a->n[row] = (int32_t)topk_list(scores, n, a->k, a->keys + row * a->k, scratch);
        return;
    }
    topk_mask(scores, n, a->k, a->mask + row * a->t, scratch);
    memset(a->mask + row * a->t + n, 0, a->t - n);
}

static void dsa_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    struct block block = block_of(a, i);
    real *own = attn_block(a, thread, 0);
    topk_key *scratch = (topk_key *)(void *)attn_block(a, thread, 1);
    for (size_t r = 0; r < block.rows; r++) {
        size_t t = block.from + r, row = block.b * a->t + t, n = a->open ? a->t : t + 1;
        real *scores = indexer_scores_row(&a->indexer, row, own + r * a->t);
        for (size_t s = t + 1; s < n; s++)
            scores[s] = published_future;
        take_largest(a, row, scores, n, scratch);
        for (size_t k = 0; a->use_lists && k < (size_t)a->n[row]; k++)
            a->scores[row * a->k + k] = scores[a->keys[row * a->k + k]];
    }
}

/* Scores of a block, where they are kept or in the thread's scratch; then the choice among them. */
static void score_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    struct block block = block_of(a, i);
    indexer_scores(
        &a->indexer, block.b, block.from, block.rows,
        indexer_scores_row(&a->indexer, block.b * a->t + block.from, attn_block(a, thread, 0)));
    if (a->use_mask || a->use_lists)
        dsa_task(arg, i, thread);
}

void select_dsa(struct attn *attn, const struct pass *pass, const real *x)
{
    indexer_forward(&attn->indexer, pass, x);
    pool_run(pass->pool, pass->batch * blocks_of(attn), score_task, attn);
}

static void window_task(void *arg, size_t row, int thread)
{
    (void)thread;
    const struct attn *a = arg;
    size_t t = row % a->t, n = 0;
    for (size_t s = 0; !a->use_lists && s < a->t; s++)
        a->mask[row * a->t + s] = s <= t && (s + a->window > t || s < a->sink);
    if (!a->use_lists)
        return;
    for (size_t s = 0; s <= t; s++)
        if (s + a->window > t || s < a->sink)
            a->keys[row * a->k + n++] = (int32_t)s;
    a->n[row] = (int32_t)n;
}

void select_window(struct attn *attn, const struct pass *pass, const real *x)
{
    (void)x;
    pool_run(pass->pool, pass->batch * attn->t, window_task, attn);
}

struct lot {
    struct attn *attn;
    struct philox stream;
    uint64_t step;
    size_t first; /* the batch's number of row 0 */
};

static void random_task(void *arg, size_t row, int thread)
{
    const struct lot *lot = arg;
    const struct attn *a = lot->attn;
    size_t n = row % a->t + 1;
    uint32_t *words = (uint32_t *)(void *)attn_block(a, thread, 0);
    topk_key *scratch = (topk_key *)(void *)attn_block(a, thread, 1);
    philox_words(&lot->stream, lot->step, (lot->first + row) * a->t, n, words);
    if (a->use_lists) {
        a->n[row] = (int32_t)topk_list_smallest(words, n, a->k, a->keys + row * a->k, scratch);
        return;
    }
    topk_mask_smallest(words, n, a->k, a->mask + row * a->t, scratch);
    memset(a->mask + row * a->t + n, 0, a->t - n);
}

void select_random(struct attn *attn, const struct pass *pass, const real *x)
{
    (void)x;
    struct lot lot = { attn, philox_stream(pass->spec->seed, "select", attn->select_name),
                       pass->step, pass->first * attn->t };
    pool_run(pass->pool, pass->batch * attn->t, random_task, &lot);
}

/* The keys of head h of sequence b, packed. In a forward pass dqkv is free for them. */
static real *packed_keys(const struct attn *a, size_t b, size_t h)
{
    return a->shared->dqkv + (b * a->h + h) * dots_rows(a->t) * a->d;
}

static void pack_task(void *arg, size_t bh, int thread)
{
    (void)thread;
    const struct attn *a = arg;
    size_t b = bh / a->h, h = bh % a->h;
    dots_pack(a->t, a->d, attn_head(a, b, h, 1), 3 * a->c, packed_keys(a, b, h));
}

/* sum [rows × T] = Σ over heads of the dense probabilities, by packed keys; scratch likewise. */
static void dense_sum(const struct attn *a, const struct block *block, real *sum, real *scratch)
{
    size_t cols = block->from + block->rows, ld = 3 * a->c;
    memset(sum, 0, block->rows * a->t * sizeof *sum);
    for (size_t h = 0; h < a->h; h++) {
        dots_kernels()->product(block->rows, cols, a->d, attn_scale(a),
                                attn_head(a, block->b, h, 0) + block->from * ld, ld,
                                packed_keys(a, block->b, h), scratch, a->t);
        for (size_t r = 0; r < block->rows; r++) {
            softmax_forward(scratch + r * a->t, cols, block->from + r + 1, NULL);
            softmax_add(scratch + r * a->t, cols, sum + r * a->t);
        }
    }
}

static void oracle_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    struct block block = block_of(a, i);
    real *sum = attn_block(a, thread, 0), *scratch = attn_block(a, thread, 1);
    dense_sum(a, &block, sum, scratch);
    for (size_t r = 0; r < block.rows; r++)
        take_largest(a, block.b * a->t + block.from + r, sum + r * a->t, block.from + r + 1,
                     (topk_key *)(void *)scratch);
}

void select_oracle(struct attn *attn, const struct pass *pass, const real *x)
{
    (void)x;
    pool_run(pass->pool, pass->batch * attn->h, pack_task, attn);
    pool_run(pass->pool, pass->batch * blocks_of(attn), oracle_task, attn);
}

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
    struct block block = block_of(a, i);
    real *sum = attn_block(a, thread, 0);
    dense_sum(a, &block, sum, attn_block(a, thread, 1));
    for (size_t r = 0; r < block.rows; r++) {
        size_t t = block.from + r, row = block.b * a->t + t;
        recall->mass[row] = t < a->k ? 0 : mass_of(a, row, sum + r * a->t, t + 1);
    }
}

double attn_recall(struct attn *attn, const struct pass *pass)
{
    if (!attn_leaves_out(attn))
        return NAN;
    struct recall recall = { attn, (double *)(void *)attn->shared->dy };
    pool_run(pass->pool, pass->batch * attn->h, pack_task, attn);
    pool_run(pass->pool, pass->batch * blocks_of(attn), recall_task, &recall);
    double total = 0;
    for (size_t row = 0; row < pass->batch * attn->t; row++)
        total += recall.mass[row];
    return total / (double)(pass->batch * (attn->t - attn->k));
}
