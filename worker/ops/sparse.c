/* The vectorised kernels stand in sparse_kernels.inc, which is compiled once for each kind of CPU:
 * the compiler's vectors are lowered to what the function's own target has, so that cloning a
 * function afterwards, as SIMD does for loops, would come too late. */
#include "worker/ops/sparse.h"

#include "common/base/simd.h"

#include <string.h>

static void plain_dots(const real *x, const real *rows, const int32_t *at, size_t n, size_t d,
                       real *ret)
{
    for (size_t i = 0; i < n; i++) {
        const real *row = rows + at[i];
        ret[i] = 0;
        for (size_t k = 0; k < d; k++)
            ret[i] += x[k] * row[k];
    }
}

static void plain_sum(const real *w, const real *rows, const int32_t *at, size_t n, size_t d,
                      real *ret)
{
    memset(ret, 0, d * sizeof *ret);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++)
            ret[k] += w[i] * rows[(size_t)at[i] + k];
}

static void plain_scatter(const real *w, const real *x, const int32_t *at, size_t n, size_t d,
                          real *rows)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++)
            rows[(size_t)at[i] + k] += w[i] * x[k];
}

const struct sparse_kernels sparse_plain = { "plain", plain_dots, plain_sum, plain_scatter };

/* Eight lanes: what AVX2 has in a register, and as fast as sixteen on many a CPU with AVX-512,
 * whose thirty-two registers still help. */
enum { LANES = 8 };
typedef real vec __attribute__((vector_size(LANES * sizeof(real))));
typedef real vec_anywhere
    __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));
#define AT(x)     (*(const vec_anywhere *)(x))
#define AT_OUT(x) (*(vec_anywhere *)(x))

#define VARIANT(name) name##_any
#include "worker/ops/sparse_kernels.inc"
#undef VARIANT

#ifdef SIMD_CLONES
#pragma GCC push_options
#pragma GCC target("avx2")
#define VARIANT(name) name##_avx2
#include "worker/ops/sparse_kernels.inc"
#undef VARIANT
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
#define VARIANT(name) name##_avx512
#include "worker/ops/sparse_kernels.inc"
#undef VARIANT
#pragma GCC pop_options
#endif

const struct sparse_kernels *sparse_kernels(size_t d)
{
    if (d % LANES != 0)
        return &sparse_plain;
#ifdef SIMD_CLONES
    const char *path = simd_path();
    if (strcmp(path, "avx512") == 0)
        return &kernels_avx512;
    if (strcmp(path, "avx2") == 0)
        return &kernels_avx2;
#endif
    return &kernels_any;
}
