#include "worker/attn/softmax.h"

#include "worker/ops/vmath.h"

SIMD void softmax_forward(real *x, size_t n, size_t visible, const uint8_t *mask)
{
    const real hidden = (real)-1e30;
    real lanes[SIMD_LANES], most = hidden;
    size_t k = 0;
    if (mask != NULL)
        for (k = 0; k < n; k++)
            x[k] = mask[k] ? x[k] : hidden;
    else
        for (k = visible; k < n; k++)
            x[k] = hidden;
    for (int j = 0; j < SIMD_LANES; j++)
        lanes[j] = hidden;
    for (k = 0; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++)
            lanes[j] = x[k + (size_t)j] > lanes[j] ? x[k + (size_t)j] : lanes[j];
    for (; k < n; k++)
        most = x[k] > most ? x[k] : most;
    for (int j = 0; j < SIMD_LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    for (int j = 0; j < SIMD_LANES; j++)
        lanes[j] = 0;
    for (k = 0; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++) {
            real y = real_exp(x[k + (size_t)j] - most);
            x[k + (size_t)j] = y;
            lanes[j] += y;
        }
    for (int j = 0; k < n; k++, j++) {
        x[k] = real_exp(x[k] - most);
        lanes[j] += x[k];
    }
    real scale = 1 / lanes_total(lanes);
    for (k = 0; k < n; k++)
        x[k] *= scale;
}

SIMD void softmax_drop(real *p, size_t n, const uint8_t *keep, real scale, real *dropped)
{
    for (size_t k = 0; k < n; k++) {
        real value = p[k];
        dropped[k] = keep[k] ? value * scale : 0;
        p[k] = keep[k] ? value : -value;
    }
}

SIMD void softmax_dropped(const real *p, size_t n, real scale, real *dropped)
{
    for (size_t k = 0; k < n; k++)
        dropped[k] = p[k] > 0 ? p[k] * scale : 0;
}

SIMD void softmax_backward(const real *p, real *dpd, size_t n, real scale, real by)
{
    real lanes[SIMD_LANES] = { 0 };
    size_t k = 0;
    for (; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++) {
            real kept = p[k + (size_t)j] > 0 ? p[k + (size_t)j] : 0;
            lanes[j] += kept * (dpd[k + (size_t)j] * scale);
        }
    for (int j = 0; k < n; k++, j++)
        lanes[j] += (p[k] > 0 ? p[k] : 0) * (dpd[k] * scale);
    real dot = lanes_total(lanes);
    for (k = 0; k < n; k++) {
        real dp = p[k] > 0 ? dpd[k] * scale : 0;
        real prob = p[k] < 0 ? -p[k] : p[k];
        dpd[k] = prob * (dp - dot) * by;
    }
}
