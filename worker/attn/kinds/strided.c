/* strided: t − s < window, or t − s a multiple of stride: the near past whole and every n-th key of
 * the rest, as in Child and others' Sparse Transformers (arXiv 1904.10509, §4.2), in one head. */
#include "worker/attn/select.h"

static bool sees(const struct spec_attention *spec, size_t t, size_t s)
{
    return t - s < (size_t)spec->window || (t - s) % (size_t)spec->stride == 0;
}

static void choose(struct attn *attn, const struct batch_pass *pass, const real *x)
{
    (void)x;
    select_fixed(attn, pass, sees);
}

const struct attn_kind attn_strided = { .select = choose };
