/* window: t − window < s ≤ t, or s < sink. */
#include "worker/attn/select.h"

static bool sees(const struct spec_attention *spec, size_t t, size_t s)
{
    return s + (size_t)spec->window > t || s < (size_t)spec->sink;
}

static void choose(struct attn *attn, const struct batch_pass *pass, const real *x)
{
    (void)x;
    select_fixed(attn, pass, sees);
}

const struct attn_kind attn_window = { .select = choose };
