/* vmath: exp and its like, written so that a loop around them vectorises.
 *
 * real_exp for floats: x = n·ln 2 + r with |r| ≤ ln 2 / 2, e^r by a polynomial of degree 6 (Cephes'
 * expf coefficients), times 2^n through the exponent bits; below 1.5 ulp. Arguments under −87 give
 * 0, above 88 they are held at 88. real_log for positive normal floats: x = 2^e·m, ln m by a
 * polynomial of degree 9 (Cephes' logf); below 1 ulp. Doubles use libm.
 */
#ifndef ABLATE_WORKER_VMATH_H
#define ABLATE_WORKER_VMATH_H

#include "common/base/simd.h"
#include "worker/base/real.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef ABLATE_DOUBLE
static inline double real_exp(double x)
{
    return exp(x);
}
static inline double real_log(double x)
{
    return log(x);
}
static inline double real_sqrt(double x)
{
    return sqrt(x);
}
#else
static inline float real_exp(float x)
{
    const float rounder = 12582912.0f; /* 1.5·2^23: adding it rounds to an integer */
    float held = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x;
    float shifted = held * 1.44269504088896341f + rounder;
    float n = shifted - rounder;
    float r = held - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int32_t)((uint32_t)bits << 23) + 0x3f800000;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    float y = p * scale;
    y = x < -87.0f ? 0.0f : y;
    return x != x ? x : y;
}
static inline float real_log(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    /* x = 2^e·m with m in [√½, √2) */
    uint32_t shifted = bits - 0x3f3504f3u;
    float e = (float)((int32_t)shifted >> 23);
    bits = (shifted & 0x007fffffu) + 0x3f3504f3u;
    float m;
    memcpy(&m, &bits, sizeof m);
    float r = m - 1.0f, r2 = r * r;
    float p = 7.0376836292e-2f;
    p = p * r - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    p = p * r * r2 + e * -2.12194440e-4f - 0.5f * r2;
    return r + p + e * 0.693359375f;
}
static inline float real_sqrt(float x)
{
    return sqrtf(x);
}
#endif

/* Reductions over SIMD_LANES partial results. For loops compiled with SIMD (common/base/simd.h). */

/* The partial sums, added in order. */
static inline real lanes_total(const real *lanes)
{
    real total = 0;
    for (int j = 0; j < SIMD_LANES; j++)
        total += lanes[j];
    return total;
}

/* The largest of x[n] and `most`. */
static inline real lanes_max(const real *x, size_t n, real most)
{
    real lanes[SIMD_LANES];
    size_t k = 0;
    for (int j = 0; j < SIMD_LANES; j++)
        lanes[j] = most;
    for (; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++)
            lanes[j] = x[k + (size_t)j] > lanes[j] ? x[k + (size_t)j] : lanes[j];
    for (; k < n; k++)
        most = x[k] > most ? x[k] : most;
    for (int j = 0; j < SIMD_LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    return most;
}

/* x[n] becomes exp(x − most); returns its sum. */
static inline real lanes_exp(real *x, size_t n, real most)
{
    real lanes[SIMD_LANES] = { 0 };
    size_t k = 0;
    for (; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++) {
            real y = real_exp(x[k + (size_t)j] - most);
            x[k + (size_t)j] = y;
            lanes[j] += y;
        }
    for (int j = 0; k < n; k++, j++) {
        x[k] = real_exp(x[k] - most);
        lanes[j] += x[k];
    }
    return lanes_total(lanes);
}

#endif
