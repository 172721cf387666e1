/* A task is NORM_ROWS rows with a part of dw of its own; the parts are added in order. */
#include "worker/ops/norm.h"

#include "worker/ops/vmath.h"

#include <string.h>

struct rows {
    size_t n, c;
    const real *x, *w, *dy, *rstd_in;
    real *y, *rstd, *dx, *parts;
};

SIMD static void forward_rows(const struct rows *r, size_t from, size_t to)
{
    size_t c = r->c;
    for (size_t i = from; i < to; i++) {
        const real *x = r->x + i * c;
        real *y = r->y + i * c, lanes[SIMD_LANES] = { 0 };
        size_t k = 0;
        for (; k + SIMD_LANES <= c; k += SIMD_LANES)
            for (int j = 0; j < SIMD_LANES; j++)
                lanes[j] += x[k + (size_t)j] * x[k + (size_t)j];
        for (int j = 0; k < c; k++, j++)
            lanes[j] += x[k] * x[k];
        real rstd = (real)(1.0 / sqrt((double)lanes_total(lanes) / (double)c + NORM_EPS));
        r->rstd[i] = rstd;
        for (k = 0; k < c; k++)
            y[k] = x[k] * rstd * r->w[k];
    }
}

/* dx = rstd·(w·dy − x·rstd²·mean(x·w·dy)) */
SIMD static void backward_rows(const struct rows *r, size_t from, size_t to, real *part)
{
    size_t c = r->c;
    memset(part, 0, c * sizeof *part);
    for (size_t i = from; i < to; i++) {
        const real *x = r->x + i * c, *dy = r->dy + i * c, *w = r->w;
        real *dx = r->dx + i * c, lanes[SIMD_LANES] = { 0 }, rstd = r->rstd_in[i];
        size_t k = 0;
        for (; k + SIMD_LANES <= c; k += SIMD_LANES)
            for (int j = 0; j < SIMD_LANES; j++)
                lanes[j] += x[k + (size_t)j] * (w[k + (size_t)j] * dy[k + (size_t)j]);
        for (int j = 0; k < c; k++, j++)
            lanes[j] += x[k] * (w[k] * dy[k]);
        real along = lanes_total(lanes) / (real)c * rstd * rstd;
        for (k = 0; k < c; k++) {
            dx[k] += rstd * (w[k] * dy[k] - x[k] * along);
            part[k] += dy[k] * x[k] * rstd;
        }
    }
}

static void forward_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct rows *r = arg;
    size_t from = i * NORM_ROWS, to = from + NORM_ROWS;
    forward_rows(r, from, to < r->n ? to : r->n);
}

static void backward_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct rows *r = arg;
    size_t from = i * NORM_ROWS, to = from + NORM_ROWS;
    backward_rows(r, from, to < r->n ? to : r->n, r->parts + i * r->c);
}

void norm_forward(struct pool *pool, size_t n, size_t c, const real *x, const real *w, real *y,
                  real *rstd)
{
    struct rows r = { .n = n, .c = c, .x = x, .w = w, .y = y, .rstd = rstd };
    pool_run(pool, norm_parts(n), forward_task, &r);
}

void norm_backward(struct pool *pool, size_t n, size_t c, const real *x, const real *w,
                   const real *rstd, const real *dy, real *dx, real *dw, real *parts)
{
    struct rows r = {
        .n = n, .c = c, .x = x, .w = w, .dy = dy, .rstd_in = rstd, .dx = dx, .parts = parts
    };
    pool_run(pool, norm_parts(n), backward_task, &r);
    for (size_t i = 0; i < norm_parts(n); i++)
        for (size_t k = 0; k < c; k++)
            dw[k] += parts[i * c + k];
}
