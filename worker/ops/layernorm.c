/* In double throughout: rows are short, and the indexer chooses keys by what comes out. */
#include "worker/ops/layernorm.h"

#include <math.h>

real layernorm_forward(const real *x, size_t c, const real *w, const real *b, real *y, real *hat)
{
    double mean = 0, square = 0;
    for (size_t k = 0; k < c; k++)
        mean += (double)x[k];
    mean /= (double)c;
    for (size_t k = 0; k < c; k++)
        square += ((double)x[k] - mean) * ((double)x[k] - mean);
    double rstd = 1.0 / sqrt(square / (double)c + LAYERNORM_EPS);
    for (size_t k = 0; k < c; k++) {
        hat[k] = (real)(((double)x[k] - mean) * rstd);
        y[k] = hat[k] * w[k] + b[k];
    }
    return (real)rstd;
}

/* ∂/∂x = rstd·(dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂)), dx̂ = dy·w */
void layernorm_backward(real *dy, size_t c, const real *w, const real *hat, real rstd, real *dw,
                        real *db)
{
    double mean = 0, along = 0;
    for (size_t k = 0; k < c; k++) {
        double dhat = (double)dy[k] * (double)w[k];
        mean += dhat;
        along += dhat * (double)hat[k];
        dw[k] += dy[k] * hat[k];
        db[k] += dy[k];
    }
    mean /= (double)c;
    along /= (double)c;
    for (size_t k = 0; k < c; k++) {
        double dhat = (double)dy[k] * (double)w[k];
        dy[k] = (real)((double)rstd * (dhat - mean - (double)hat[k] * along));
    }
}
