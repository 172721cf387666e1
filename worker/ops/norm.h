/* norm: RMSNorm (Zhang & Sennrich 2019): y = x / sqrt(mean(x²) + NORM_EPS) · w. */
#ifndef ABLATE_WORKER_NORM_H
#define ABLATE_WORKER_NORM_H

#include "worker/base/pool.h"
#include "worker/base/real.h"

#include <stddef.h>

#define NORM_EPS 1.1920929e-7

enum { NORM_ROWS = 128 }; /* rows a task; partial sums of dw are as many as tasks */
static inline size_t norm_parts(size_t n)
{
    return (n + NORM_ROWS - 1) / NORM_ROWS;
}

/* x, y [n × c]; w [c]; rstd [n] is kept for the backward pass. */
void norm_forward(struct pool *pool, size_t n, size_t c, const real *x, const real *w, real *y,
                  real *rstd);
/* dx [n × c] += ∂/∂x; dw [c] += ∂/∂w. parts [norm_parts(n) × c]: scratch. */
void norm_backward(struct pool *pool, size_t n, size_t c, const real *x, const real *w,
                   const real *rstd, const real *dy, real *dx, real *dw, real *parts);

#endif
