#include "worker/ops/loss.h"

#include "worker/ops/gemm.h"
#include "worker/ops/vmath.h"

#include <math.h>

/* A chunk's logits take about 64 MB at most, so that dW, which every chunk adds to, isn't read and
 * written too often. */
enum { CHUNK_REALS = 16 << 20, CHUNK_LEAST = 64, ROWS = 16 };

static size_t chunk_rows(size_t n, size_t v)
{
    size_t rows = CHUNK_REALS / v / CHUNK_LEAST * CHUNK_LEAST;
    rows = rows < CHUNK_LEAST ? CHUNK_LEAST : rows;
    return rows < n ? rows : n;
}

void loss_layout(struct loss *loss, struct arena *arena, size_t n_max, size_t c, size_t v)
{
    *loss = (struct loss){ .n_max = n_max, .c = c, .v = v, .chunk = chunk_rows(n_max, v) };
    loss->logits = arena_take(arena, loss->chunk * v, sizeof(real));
    loss->nll = arena_take(arena, n_max, sizeof(double));
    loss->hit = arena_take(arena, n_max, sizeof(uint8_t));
}

struct softmax {
    const struct loss *loss;
    size_t first, rows; /* of the chunk, within the batch */
    const int32_t *targets;
    real scale; /* 1/N when the logits are to become their gradient; 0 = forward only */
};

SIMD static real row_max(const real *x, size_t v)
{
    real lanes[SIMD_LANES], most = x[0];
    for (int j = 0; j < SIMD_LANES; j++)
        lanes[j] = x[0];
    size_t k = 0;
    for (; k + SIMD_LANES <= v; k += SIMD_LANES)
        for (int j = 0; j < SIMD_LANES; j++)
            lanes[j] = x[k + (size_t)j] > lanes[j] ? x[k + (size_t)j] : lanes[j];
    for (; k < v; k++)
        most = x[k] > most ? x[k] : most;
    for (int j = 0; j < SIMD_LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    return most;
}

/* x becomes exp(x − most); returns the sum, of lane sums that are short enough to be exact to a few
 * units whatever V is. */
enum { SEGMENT = 2048 };

SIMD static double row_exp(real *x, size_t v, real most)
{
    double total = 0;
    for (size_t from = 0; from < v; from += SEGMENT) {
        size_t to = from + SEGMENT < v ? from + SEGMENT : v, k = from;
        real lanes[SIMD_LANES] = { 0 };
        for (; k + SIMD_LANES <= to; k += SIMD_LANES)
            for (int j = 0; j < SIMD_LANES; j++) {
                real y = real_exp(x[k + (size_t)j] - most);
                x[k + (size_t)j] = y;
                lanes[j] += y;
            }
        for (int j = 0; k < to; k++, j++) {
            x[k] = real_exp(x[k] - most);
            lanes[j] += x[k];
        }
        total += (double)lanes_total(lanes);
    }
    return total;
}

SIMD static void row_scale(real *x, size_t v, real by)
{
    for (size_t k = 0; k < v; k++)
        x[k] *= by;
}

static void softmax_row(const struct softmax *s, size_t row)
{
    const struct loss *loss = s->loss;
    real *x = loss->logits + row * loss->v;
    size_t target = (size_t)s->targets[s->first + row], v = loss->v, first = 0;
    real most = row_max(x, v), at_target = x[target];
    while (first < v && !(x[first] == most)) /* ties: the lowest id; none when all is NaN */
        first++;
    loss->hit[s->first + row] = first == target;
    double sum = row_exp(x, v, most);
    loss->nll[s->first + row] = log(sum) - ((double)at_target - (double)most);
    if (s->scale > 0) {
        row_scale(x, v, (real)((double)s->scale / sum));
        x[target] -= s->scale;
    }
}

static void softmax_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct softmax *s = arg;
    for (size_t row = i * ROWS; row < (i + 1) * ROWS && row < s->rows; row++)
        softmax_row(s, row);
}

static void chunk_forward(const struct loss *loss, struct pool *pool, struct softmax *s,
                          const real *x, const real *w)
{
    gemm_shared(pool, s->rows, loss->v, loss->c,
                (struct mat){ x + s->first * loss->c, loss->c, false },
                (struct mat){ w, loss->c, true }, 0, loss->logits, loss->v);
    pool_run(pool, (s->rows + ROWS - 1) / ROWS, softmax_task, s);
}

static void total(const struct loss *loss, size_t n, struct loss_result *ret)
{
    *ret = (struct loss_result){ 0 };
    for (size_t i = 0; i < n; i++) {
        ret->nll += loss->nll[i];
        ret->correct += loss->hit[i];
    }
}

void loss_forward(const struct loss *loss, struct pool *pool, size_t n, const real *x,
                  const real *w, const int32_t *targets, struct loss_result *ret)
{
    struct softmax s = { .loss = loss, .targets = targets };
    for (; s.first < n; s.first += s.rows) {
        s.rows = n - s.first < loss->chunk ? n - s.first : loss->chunk;
        chunk_forward(loss, pool, &s, x, w);
    }
    total(loss, n, ret);
}

void loss_step(const struct loss *loss, struct pool *pool, size_t n, const real *x, const real *w,
               const int32_t *targets, real *dx, real *dw, struct loss_result *ret)
{
    size_t c = loss->c, v = loss->v;
    struct softmax s = { .loss = loss, .targets = targets, .scale = (real)(1.0 / (double)n) };
    for (; s.first < n; s.first += s.rows) {
        s.rows = n - s.first < loss->chunk ? n - s.first : loss->chunk;
        chunk_forward(loss, pool, &s, x, w);
        gemm_shared(pool, s.rows, c, v, (struct mat){ loss->logits, v, false },
                    (struct mat){ w, c, false }, 0, dx + s.first * c, c);
        gemm_shared(pool, v, c, s.rows, (struct mat){ loss->logits, v, true },
                    (struct mat){ x + s.first * c, c, false }, 1, dw, c);
    }
    total(loss, n, ret);
}
