/* Loops over one row, each vectorised as a whole; sums run over lanes (worker/ops/vmath.h), so that
 * their bits don't depend on the code path. */
#include "worker/attn/softmax.h"

#include "worker/ops/vmath.h"

static inline void hide(real *x, size_t n, size_t visible, const uint8_t *mask)
{
    if (mask != NULL)
        for (size_t k = 0; k < n; k++)
            x[k] = mask[k] ? x[k] : SOFTMAX_HIDDEN;
    else
        for (size_t k = visible; k < n; k++)
            x[k] = SOFTMAX_HIDDEN;
}

SIMD void softmax_forward(real *x, size_t n, size_t visible, const uint8_t *mask)
{
    hide(x, n, visible, mask);
    real scale = 1 / lanes_exp(x, n, lanes_max(x, n, SOFTMAX_HIDDEN));
    for (size_t k = 0; k < n; k++)
        x[k] *= scale;
}

SIMD real softmax_online(real *x, size_t n, size_t visible, const uint8_t *mask, real *most,
                         real *sum)
{
    hide(x, n, visible, mask);
    real before = *most, now = lanes_max(x, n, before);
    if (now == SOFTMAX_HIDDEN) { /* nothing seen yet */
        for (size_t k = 0; k < n; k++)
            x[k] = 0;
        return 1;
    }
    real scale = real_exp(before - now);
    *sum = *sum * scale + lanes_exp(x, n, now);
    *most = now;
    return scale;
}

real softmax_lse(real most, real sum)
{
    return (real)((double)most + log((double)sum));
}

SIMD void softmax_keep(real *x, size_t n, const uint8_t *keep, real scale)
{
    for (size_t k = 0; k < n; k++)
        x[k] = keep[k] ? x[k] * scale : 0;
}

SIMD void softmax_again(real *x, size_t n, size_t visible, const uint8_t *mask, real lse)
{
    hide(x, n, visible, mask);
    for (size_t k = 0; k < n; k++)
        x[k] = real_exp(x[k] - lse);
}

SIMD void softmax_back(real *p, real *dpd, size_t n, const uint8_t *keep, real scale, real along,
                       real by)
{
    for (size_t k = 0; k < n; k++) {
        real dp = keep[k] ? dpd[k] * scale : 0;
        dpd[k] = p[k] * (dp - along) * by;
        p[k] = keep[k] ? p[k] * scale : 0;
    }
}

SIMD void softmax_add(const real *p, size_t n, real *sum)
{
    for (size_t k = 0; k < n; k++)
        sum[k] += p[k] < 0 ? -p[k] : p[k];
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
