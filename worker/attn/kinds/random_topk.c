/* random_topk: K of the past keys by lot, those of the smallest keyed words. It shows what sparsity
 * costs without a selector. */
#include "common/philox.h"
#include "worker/attn/kernel.h"
#include "worker/attn/select.h"

#include <string.h>

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

static void choose(struct attn *attn, const struct batch_pass *pass, const real *x)
{
    (void)x;
    struct lot lot = { attn, philox_stream(pass->spec->seed, "select", attn->select_name),
                       pass->lots_of_eval ? 0 : pass->step, pass->first * attn->t };
    pool_run(pass->pool, pass->batch * attn->t, random_task, &lot);
}

const struct attn_kind attn_random_topk = { .select = choose };
