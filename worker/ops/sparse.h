/* sparse_kernels: products with rows that a list picks out of a matrix, such as the keys that a
 * query sees. Rows are whole cache lines when they are heads, so a row is a load, not a gather.
 *
 * at[n]: where the rows begin, in reals from `rows`; each row holds d. Sums have a fixed order,
 * given by n and d alone.
 */
#ifndef ABLATE_WORKER_SPARSE_H
#define ABLATE_WORKER_SPARSE_H

#include "worker/base/real.h"

#include <stddef.h>
#include <stdint.h>

struct sparse_kernels {
    const char *name;
    /* ret[i] = x · row i */
    void (*dots)(const real *x, const real *rows, const int32_t *at, size_t n, size_t d, real *ret);
    /* ret[d] = Σ_i w[i]·row i */
    void (*sum)(const real *w, const real *rows, const int32_t *at, size_t n, size_t d, real *ret);
    /* row i += w[i]·x; no row twice. */
    void (*scatter)(const real *w, const real *x, const int32_t *at, size_t n, size_t d,
                    real *rows);
};

/* The best that this CPU runs for rows of d; and the plain loops, for any d and for tests. */
const struct sparse_kernels *sparse_kernels(size_t d);
extern const struct sparse_kernels sparse_plain;

#endif
