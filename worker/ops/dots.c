/* The kernels stand in dots_kernels.inc, which is compiled once for each kind of processor. A block
 * of rows of a meets a few vectors of a panel's columns: each lane of each accumulator is one
 * element's chain, so neither the block's height nor its place in the product shows in the bits,
 * and a short block or panel needs no other arithmetic than a whole one. Rows of a are read where
 * they lie; b is packed, since its columns are what the lanes hold.
 *
 * Rejected: sgemm with eight rows at a time, which makes rows independent of their place but not
 * columns, and packs its operands over and over; a product in double, rounded at the end, where
 * equals tie almost always, but not always. */
#include "worker/ops/dots.h"

#include "common/base/simd.h"

#include <string.h>

#if defined(SIMD_CLONES) && !defined(ABLATE_DOUBLE)
#define DOTS_CLONES
#include <immintrin.h>
#endif

#define INLINE      static inline __attribute__((always_inline))
#define UNROLL      _Pragma("GCC unroll 8")
#define VECTOR(...) __attribute__((vector_size(LANES * sizeof(real)), ##__VA_ARGS__))

enum { WIDE = 2 }; /* vectors of columns at a time, at most */

#define LANES           4
#define ROWS            4
#define FUSED           false
#define MADD(x, y, sum) ((x) * (y) + (sum))
#define PATH            "baseline"
#define VARIANT(name)   name##_any
#include "worker/ops/dots_kernels.inc"

#ifdef DOTS_CLONES
#pragma GCC push_options
#pragma GCC target("avx")
#define LANES           8
#define ROWS            4
#define FUSED           false
#define MADD(x, y, sum) ((x) * (y) + (sum))
#define PATH            "avx"
#define VARIANT(name)   name##_avx
#include "worker/ops/dots_kernels.inc"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LANES           8
#define ROWS            6
#define FUSED           true
#define MADD(x, y, sum) ((vec_avx2)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(sum)))
#define PATH            "avx2"
#define VARIANT(name)   name##_avx2
#include "worker/ops/dots_kernels.inc"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#define LANES           16
#define ROWS            8
#define FUSED           true
#define MADD(x, y, sum) ((vec_avx512)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(sum)))
#define PATH            "avx512"
#define VARIANT(name)   name##_avx512
#include "worker/ops/dots_kernels.inc"
#pragma GCC pop_options
#endif

/* The best first. Code paths differ in their bits, so whichever is fused has one of its own. */
static const struct dots_kernels *const all[] = {
#ifdef DOTS_CLONES
    &kernels_avx512,
    &kernels_avx2,
    &kernels_avx,
#endif
    &kernels_any,
};
enum { ALL = sizeof all / sizeof *all };

static size_t best(void)
{
    size_t i = 0;
#ifdef DOTS_CLONES
    while (all[i]->fused && strcmp(all[i]->name, simd_path()) != 0)
        i++;
    if (!all[i]->fused && !__builtin_cpu_supports("avx"))
        i++;
#endif
    return i;
}

const struct dots_kernels *dots_kernels(void)
{
    return all[best()];
}

const struct dots_kernels *dots_kernels_at(size_t i)
{
    return best() + i < ALL ? all[best() + i] : NULL;
}

/* Row by row: each is read once, and what it is spread over stays in the first cache. */
static void pack_panel(size_t n, size_t k, const real *b, size_t ldb, real *panel)
{
    enum { PIECE = 64 };
    if (n < DOTS_PANEL)
        memset(panel, 0, k * DOTS_PANEL * sizeof *panel);
    for (size_t from = 0, to; from < k; from = to) {
        to = k - from < PIECE ? k : from + PIECE;
        for (size_t r = 0; r < n; r++)
            for (size_t p = from; p < to; p++)
                panel[p * DOTS_PANEL + r] = b[r * ldb + p];
    }
}

static size_t in_panel(size_t n, size_t at)
{
    return n - at < DOTS_PANEL ? n - at : DOTS_PANEL;
}

void dots_pack(size_t n, size_t k, const real *b, size_t ldb, real *packed)
{
    for (size_t at = 0; at < n; at += DOTS_PANEL)
        pack_panel(in_panel(n, at), k, b + at * ldb, ldb, packed + at * k);
}

struct product {
    size_t m, n, k;
    const real *a, *b;
    real *packed, *c;
};
enum { TILE = 64 }; /* rows of a task */

static void pack_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct product *p = arg;
    size_t at = i * DOTS_PANEL;
    pack_panel(in_panel(p->n, at), p->k, p->b + at * p->k, p->k, p->packed + at * p->k);
}

static void product_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct product *p = arg;
    size_t at = i * TILE, rows = p->m - at < TILE ? p->m - at : TILE;
    dots_kernels()->product(rows, p->n, p->k, 1, p->a + at * p->k, p->k, p->packed,
                            p->c + at * p->n, p->n);
}

void dots_shared(struct pool *pool, size_t m, size_t n, size_t k, const real *a, const real *b,
                 real *packed, real *c)
{
    struct product p = { m, n, k, a, b, packed, c };
    pool_run(pool, dots_rows(n) / DOTS_PANEL, pack_task, &p);
    pool_run(pool, (m + TILE - 1) / TILE, product_task, &p);
}

void dots_alone(size_t m, size_t n, size_t k, const real *a, const real *b, real *panel, real *c)
{
    for (size_t at = 0; at < n; at += DOTS_PANEL) {
        pack_panel(in_panel(n, at), k, b + at * k, k, panel);
        dots_kernels()->product(m, in_panel(n, at), k, 1, a, k, panel, c + at, n);
    }
}
