/* layernorm: LayerNorm (Ba et al. 2016) of short rows, for the indexer's keys: y = x̂·w + b,
 * x̂ = (x − mean)/√(variance + LAYERNORM_EPS). */
#ifndef ABLATE_WORKER_LAYERNORM_H
#define ABLATE_WORKER_LAYERNORM_H

#include "worker/base/real.h"

#include <stddef.h>

#define LAYERNORM_EPS 1e-6

/* One row: y[c] from x[c]; hat[c] and the returned 1/√(variance + eps) are kept for the way back.
 * y may be x. */
real layernorm_forward(const real *x, size_t c, const real *w, const real *b, real *y, real *hat);
/* One row: dy[c] becomes ∂/∂x; dw[c] and db[c] are added to. */
void layernorm_backward(real *dy, size_t c, const real *w, const real *hat, real rstd, real *dw,
                        real *db);

#endif
