/* gemm: matrix products. The only place that calls BLAS, always single-threaded; what is shared out
 * over the pool is cut into tiles fixed by shape alone. Equal rows or columns may get different
 * bits: products whose values decide something are made by dots (worker/ops/dots.h).
 */
#ifndef ABLATE_WORKER_GEMM_H
#define ABLATE_WORKER_GEMM_H

#include "common/base/err.h"
#include "worker/base/pool.h"
#include "worker/base/real.h"

#include <stdbool.h>
#include <stddef.h>

/* A matrix as it lies in memory: row-major with leading dimension ld; t = use it transposed. */
struct mat {
    const real *data;
    size_t ld;
    bool t;
};

/* c[m × n] (ld ldc) = alpha·a[m × k]·b[k × n] + beta·c, on the calling thread. */
void gemm(size_t m, size_t n, size_t k, real alpha, struct mat a, struct mat b, real beta, real *c,
          size_t ldc);
/* The same, cut into tiles of c and shared out over the pool. */
void gemm_shared(struct pool *pool, size_t m, size_t n, size_t k, struct mat a, struct mat b,
                 real beta, real *c, size_t ldc);

/* What OpenBLAS maps for each thread that multiplies; it touches a small part of it. */
enum { GEMM_BUFFER_BYTES = 128 << 20 };
/* Loads BLAS and sets aside what `threads` that multiply at a time need. To be called before
 * anything else here, and again for more threads; not from several threads. Errors: NO_MEMORY,
 * INTERNAL when the library isn't there. */
int gemm_init(int threads, struct err *err);
/* OpenBLAS's name for the core it dispatches to, e.g. "Haswell". */
const char *gemm_blas_core(void);

#endif
