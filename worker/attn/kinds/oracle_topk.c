/* oracle_topk: the K past keys with the most dense probability, averaged over heads: what a perfect
 * selector would choose. No gradient passes through the choice. RoPE makes the keys of equal tokens
 * differ by their places, so ties are rare. */
#include "worker/attn/kernel.h"
#include "worker/attn/select.h"

static void oracle_task(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    struct select_block block = select_block(a, i);
    real *sum = attn_block(a, thread, 0), *scratch = attn_block(a, thread, 1);
    select_dense_sum(a, &block, sum, scratch);
    for (size_t r = 0; r < block.rows; r++)
        select_largest(a, block.b * a->t + block.from + r, sum + r * a->t, block.from + r + 1,
                       (topk_key *)(void *)scratch);
}

static void choose(struct attn *attn, const struct batch_pass *pass, const real *x)
{
    (void)x;
    select_dense_pack(attn, pass);
    pool_run(pass->pool, pass->batch * select_blocks(attn), oracle_task, attn);
}

const struct attn_kind attn_oracle_topk = { .select = choose };
