/* Loops over single numbers, each forward directly followed by its backward; residual branches are
 * shared out over the pool in chunks. */
#include "worker/ops/act.h"

#include "worker/ops/vmath.h"

#include <string.h>

SIMD void act_silu_drop(const real *h, const uint8_t *keep, real scale, size_t n, real *y)
{
    for (size_t i = 0; i < n; i++) {
        real value = h[i] / (1 + real_exp(-h[i])) * scale;
        y[i] = keep[i] ? value : 0;
    }
}

SIMD void act_silu_drop_backward(const real *h, const uint8_t *keep, real scale, size_t n, real *d)
{
    for (size_t i = 0; i < n; i++) {
        real s = 1 / (1 + real_exp(-h[i]));
        real value = d[i] * scale * (s * (1 + h[i] * (1 - s)));
        d[i] = keep[i] ? value : 0;
    }
}

SIMD void act_swiglu_drop(const real *restrict h, const real *restrict u,
                          const uint8_t *restrict keep, real scale, size_t n, real *restrict y)
{
    for (size_t i = 0; i < n; i++) {
        real value = h[i] / (1 + real_exp(-h[i])) * u[i] * scale;
        y[i] = keep[i] ? value : 0;
    }
}

SIMD void act_swiglu_drop_backward(const real *restrict h, const real *restrict u,
                                   const uint8_t *restrict keep, real scale, size_t n,
                                   real *restrict d, real *restrict du)
{
    for (size_t i = 0; i < n; i++) {
        real s = 1 / (1 + real_exp(-h[i])), dy = keep[i] ? d[i] * scale : 0;
        d[i] = dy * u[i] * (s * (1 + h[i] * (1 - s)));
        du[i] = dy * (h[i] * s);
    }
}

SIMD void act_scale(real *x, real by, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
}

SIMD real act_scale_dot(const real *a, const real *b, real by, size_t n, real *to)
{
    real lanes[SIMD_LANES] = { 0 };
    size_t k = 0;
    for (; k + SIMD_LANES <= n; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++) {
            lanes[j] += a[k + (size_t)j] * b[k + (size_t)j];
            to[k + (size_t)j] = by * a[k + (size_t)j];
        }
    for (int j = 0; k < n; k++, j++) {
        lanes[j] += a[k] * b[k];
        to[k] = by * a[k];
    }
    return lanes_total(lanes);
}

enum { CHUNK = 1 << 14 };

struct residual {
    const real *x, *branch;
    const uint8_t *keep;
    real scale, *out;
    size_t n;
};

SIMD static void add_drop(const real *x, const real *branch, const uint8_t *keep, real scale,
                          size_t n, real *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] + (keep[i] ? branch[i] * scale : 0);
}

SIMD static void add(const real *x, const real *branch, size_t n, real *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] + branch[i];
}

SIMD static void drop(const real *d, const uint8_t *keep, real scale, size_t n, real *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = keep[i] ? d[i] * scale : 0;
}

static void residual_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct residual *r = arg;
    size_t at = i * CHUNK, n = r->n - at < CHUNK ? r->n - at : CHUNK;
    if (r->x == NULL && r->keep == NULL)
        memcpy(r->out + at, r->branch + at, n * sizeof *r->out);
    else if (r->x == NULL)
        drop(r->branch + at, r->keep + at, r->scale, n, r->out + at);
    else if (r->keep == NULL)
        add(r->x + at, r->branch + at, n, r->out + at);
    else
        add_drop(r->x + at, r->branch + at, r->keep + at, r->scale, n, r->out + at);
}

void act_add_drop(struct pool *pool, const real *x, const real *branch, const uint8_t *keep,
                  real scale, size_t n, real *out)
{
    struct residual r = { x, branch, keep, scale, out, n };
    pool_run(pool, (n + CHUNK - 1) / CHUNK, residual_task, &r);
}

void act_drop_backward(struct pool *pool, const real *d, const uint8_t *keep, real scale, size_t n,
                       real *dbranch)
{
    struct residual r = { NULL, d, keep, scale, dbranch, n };
    pool_run(pool, (n + CHUNK - 1) / CHUNK, residual_task, &r);
}
