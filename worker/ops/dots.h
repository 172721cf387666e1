/* dots: products whose values decide something.
 *
 * What a query sees and which experts a token visits follows from comparisons of dot products, and
 * ties go to the lower index (schema/numerics.md §2). So equal inputs must give equal bits, which
 * sgemm doesn't promise: by where a row or a column stands, and by how many there are, other
 * kernels take it, which add in another order or round differently (seen in OpenBLAS on Haswell and
 * Zen). Here the bits of Σ_p a[i,p]·b[j,p] depend on row i of a, row j of b and k alone: not on i,
 * j, m, n or threads, and not on the core that BLAS takes the machine for. Each sum is one chain
 * from +0 in the order of p, s = a·b + s, rounded once where the processor can (AVX2 with FMA,
 * AVX-512: the same bits), twice elsewhere (the same again; simd_path() tells the two apart).
 *
 * These decide, and are computed here in training, evaluation and audits alike:
 *
 *   the indexer's q, k, w and its scores I      which keys a query of `dsa` sees
 *   the router's logits g                       which experts a token visits
 *   q and k, and an oracle's dense scores       which keys a query of `oracle_topk` sees
 *
 * What comes between and after is computed row by row or place by place (LayerNorm, RoPE, softmax,
 * noise). qkv is made here for every kind, so that arms which see the same keys have the same bits.
 * The attention itself, what the indexer learns from and everything backward choose no keys and no
 * experts, and stay with gemm.
 *
 * b comes packed: DOTS_PANEL of its rows make a panel [k × DOTS_PANEL], place p of row r at
 * p·DOTS_PANEL + r; the last panel is filled up with zeros.
 */
#ifndef ABLATE_WORKER_DOTS_H
#define ABLATE_WORKER_DOTS_H

#include "common/spec/sizes.h"
#include "worker/base/pool.h"
#include "worker/base/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Rows that n rows take when packed. */
static inline size_t dots_rows(size_t n)
{
    return (n + DOTS_PANEL - 1) / DOTS_PANEL * DOTS_PANEL;
}
/* packed [dots_rows(n) × k] from b [n × k] (leading dimension ldb). */
void dots_pack(size_t n, size_t k, const real *b, size_t ldb, real *packed);

/* Queries at the places from … from + rows − 1 with several heads each, which share their keys. */
struct dots_heads {
    size_t rows, heads, k, from;
    const real *a;      /* [rows × heads·k] */
    const real *weight; /* [rows × heads] */
    real by;
    const real *keys; /* packed; from + rows of them at least */
};

struct dots_kernels {
    const char *name;
    bool fused; /* a product and its addition are rounded once */
    /* c[m × n] (ld ldc) = by·(a·bᵀ), a [m × k] (ld lda) */
    void (*product)(size_t m, size_t n, size_t k, real by, const real *a, size_t lda,
                    const real *packed, real *c, size_t ldc);
    /* c[i,s] (ld ldc) = Σ_h by·weight[i,h]·relu(a[i,h]·key s) for s ≤ from + i, heads in order.
     * What lies beyond, up to s < from + rows, is undefined. */
    void (*relu_sum)(const struct dots_heads *heads, real *c, size_t ldc);
};

/* The best that this processor runs; and all that it runs, the last one NULL, for tests. */
const struct dots_kernels *dots_kernels(void);
const struct dots_kernels *dots_kernels_at(size_t i);

/* c[m × n] = a[m × k]·b[n × k]ᵀ, all dense, shared out over the pool; packed is scratch. */
void dots_shared(struct pool *pool, size_t m, size_t n, size_t k, const real *a, const real *b,
                 real *packed, real *c);
/* The same on the calling thread, a panel of b at a time; panel [DOTS_PANEL × k] is scratch. */
void dots_alone(size_t m, size_t n, size_t k, const real *a, const real *b, real *panel, real *c);

#endif
