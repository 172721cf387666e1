/* Products, exponentials, normalisation, masks and the output layer in float, each against the
 * plain formula in double; and shared out over any number of threads, the same bits. */
#include "common/philox.h"
#include "worker/base/arena.h"
#include "worker/ops/act.h"
#include "worker/ops/drop.h"
#include "worker/ops/gemm.h"
#include "worker/ops/layernorm.h"
#include "worker/ops/loss.h"
#include "worker/ops/norm.h"
#include "worker/ops/rope.h"
#include "worker/ops/vmath.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pool *pools[4]; /* of 1 … 4 threads */

static int set_up(void **state)
{
    (void)state;
    struct err err;
    if (gemm_init(4, &err) != 0)
        return -1;
    for (int i = 0; i < 4; i++)
        if (pool_new(i + 1, &pools[i], &err) != 0)
            return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        pool_free(pools[i]);
    return 0;
}

static real *normals(size_t n, const char *name)
{
    const struct philox stream = philox_stream(9, "data", name);
    real *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)philox_normal(&stream, 0, i);
    return x;
}

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9g instead of %.9g", value, expected);
}

static double at(struct mat m, size_t row, size_t col)
{
    return (double)(m.t ? m.data[col * m.ld + row] : m.data[row * m.ld + col]);
}

static void check_gemm(size_t m, size_t n, size_t k, bool ta, bool tb, real beta)
{
    real *a = normals(m * k + 9 * (m + k), "a"), *b = normals(k * n + 9 * (n + k), "b");
    size_t ldc = n + 3;
    real *was = normals(m * ldc, "c"), *c[4];
    struct mat ma = { a, (ta ? m : k) + 5, ta }, mb = { b, (tb ? k : n) + 2, tb };
    for (int i = 0; i < 4; i++) {
        c[i] = malloc(m * ldc * sizeof(real));
        memcpy(c[i], was, m * ldc * sizeof(real));
        gemm_shared(pools[i], m, n, k, ma, mb, beta, c[i], ldc);
        assert_memory_equal(c[i], c[0], m * ldc * sizeof(real));
    }
    for (size_t row = 0; row < m; row++)
        for (size_t col = 0; col < ldc; col++) {
            double sum = (double)beta * (double)was[row * ldc + col];
            for (size_t i = 0; col < n && i < k; i++)
                sum += at(ma, row, i) * at(mb, i, col);
            assert_near((double)c[0][row * ldc + col], col < n ? sum : (double)was[row * ldc + col],
                        1e-6 * (10 + 2 * (double)k));
        }
    for (int i = 0; i < 4; i++)
        free(c[i]);
    free(was);
    free(a);
    free(b);
}

static void test_gemm(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        bool ta = form & 1, tb = form & 2;
        real beta = (real)(form & 4 ? 1 : 0);
        check_gemm(1, 1, 1, ta, tb, beta);
        check_gemm(70, 33, 19, ta, tb, beta);
        check_gemm(300, 90, 40, ta, tb, beta);
        check_gemm(33, 530, 21, ta, tb, beta);
    }
}

static void count_task(void *arg, size_t i, int thread)
{
    uint8_t *seen = arg;
    seen[i] = (uint8_t)(seen[i] + 1 + (thread < 0 || thread > 3));
}

/* Many short runs, as a training step makes them: each task exactly once. */
static void test_pool_runs_each_task_once(void **state)
{
    (void)state;
    for (int threads = 0; threads < 4; threads++)
        for (size_t round = 0; round < 2000; round++) {
            uint8_t seen[64] = { 0 };
            size_t n = round % 64;
            pool_run(pools[threads], n, count_task, seen);
            for (size_t i = 0; i < 64; i++)
                assert_int_equal(seen[i], i < n);
        }
}

static void test_exp(void **state)
{
    (void)state;
    for (double x = -87; x < 88; x += 0.00137) {
        real rounded = (real)x;
        double expected = exp((double)rounded);
        assert_near((double)real_exp(rounded) / expected, 1, 1.5 * 1.2e-7);
    }
    assert_true(real_exp(0) == 1);
    assert_true(real_exp((real)-1e30) == 0 && real_exp((real)-INFINITY) == 0);
    assert_true(isnan(real_exp((real)NAN)));
}

static void test_norms(void **state)
{
    (void)state;
    const size_t sizes[] = { 2, 31, 64, 100 };
    for (size_t s = 0; s < 4; s++) {
        size_t c = sizes[s], n = 150;
        real *x = normals(n * c, "x"), *w = normals(c, "w"), *b = normals(c, "b");
        real *y = malloc(n * c * sizeof *y), *hat = malloc(c * sizeof *hat), rstd[150];
        norm_forward(pools[2], n, c, x, w, y, rstd);
        for (size_t i = 0; i < n; i++) {
            double square = 0, mean = 0, variance = 0;
            for (size_t k = 0; k < c; k++) {
                square += pow((double)x[i * c + k], 2);
                mean += (double)x[i * c + k] / (double)c;
            }
            for (size_t k = 0; k < c; k++)
                variance += pow((double)x[i * c + k] - mean, 2) / (double)c;
            double by = 1 / sqrt(square / (double)c + 1.1920929e-7);
            for (size_t k = 0; k < c; k++)
                assert_near((double)y[i * c + k], (double)x[i * c + k] * by * (double)w[k], 3e-6);
            layernorm_forward(x + i * c, c, w, b, y + i * c, hat);
            for (size_t k = 0; k < c; k++)
                assert_near((double)y[i * c + k],
                            ((double)x[i * c + k] - mean) / sqrt(variance + 1e-6) * (double)w[k] +
                                (double)b[k],
                            3e-6);
        }
        free(x);
        free(w);
        free(b);
        free(y);
        free(hat);
    }
}

static void test_rope(void **state)
{
    (void)state;
    enum { T = 300, D = 8 };
    real cosines[T * D / 2], sines[T * D / 2];
    rope_tables(T, D, cosines, sines);
    for (size_t t = 0; t < T; t += 23) {
        real near[D], far[D], x[D];
        for (size_t i = 0; i < D; i++)
            near[i] = far[i] = x[i] = (real)(i * i % 7) - 3;
        rope_turn(near, D, cosines + t * D / 2, sines + t * D / 2, 0);
        rope_turn_halves(far, D, cosines + t * D / 2, sines + t * D / 2, 0);
        for (size_t i = 0; i < D / 2; i++) {
            double angle = (double)t / pow(10000, 2.0 * (double)i / D), c = cos(angle),
                   s = sin(angle);
            assert_near((double)near[2 * i], (double)x[2 * i] * c - (double)x[2 * i + 1] * s, 2e-6);
            assert_near((double)near[2 * i + 1], (double)x[2 * i] * s + (double)x[2 * i + 1] * c,
                        2e-6);
            assert_near((double)far[i], (double)x[i] * c - (double)x[i + D / 2] * s, 2e-6);
            assert_near((double)far[i + D / 2], (double)x[i] * s + (double)x[i + D / 2] * c, 2e-6);
        }
        rope_turn(near, D, cosines + t * D / 2, sines + t * D / 2, 1);
        rope_turn_halves(far, D, cosines + t * D / 2, sines + t * D / 2, 1);
        for (size_t i = 0; i < D; i++) {
            assert_near((double)near[i], (double)x[i], 2e-6);
            assert_near((double)far[i], (double)x[i], 2e-6);
        }
    }
}

/* Any part of a mask is the same part of the whole; its rule is schema/numerics.md §3. */
static void test_masks(void **state)
{
    (void)state;
    const struct drop drop = drop_of(3, "blocks.0.moe.hidden", 0.1, 7, 0);
    const struct drop off = drop_of(3, "blocks.0.moe.hidden", 0.1, 0, 0);
    const struct philox stream = philox_stream(3, "dropout", "blocks.0.moe.hidden");
    enum { N = 20000 };
    static uint8_t whole[N], part[N];
    size_t kept = 0;
    drop_mask(&drop, 0, N, whole);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(whole[i], (philox_word(&stream, 7, i) >> 8) >= 1677722);
        kept += whole[i];
    }
    assert_near((double)kept / N, 0.9, 4 * 0.3 / sqrt(N));
    for (size_t first = 0; first < 50; first += 7) {
        drop_mask(&drop, first, 3001, part);
        assert_memory_equal(part, whole + first, 3001);
    }
    assert_true(drop.scale == (real)(float)(1 / 0.9));
    drop_mask(&off, 0, N, part);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(part[i], 1);
    assert_true(off.scale == 1);
}

/* So many tokens that the rows come in three chunks, the last one short. */
static void test_loss_in_chunks(void **state)
{
    (void)state;
    enum { N = 150, C = 6 };
    const size_t v = 1 << 18;
    struct arena arena = { 0 };
    struct err err;
    struct loss loss;
    loss_layout(&loss, &arena, N, C, v);
    assert_int_equal(arena_build(&arena, &err), 0);
    loss_layout(&loss, &arena, N, C, v);
    assert_true(loss.chunk * 2 < N);
    real *x = normals(N * C, "x"), *w = normals(v * C, "w"), *dx = malloc(N * C * sizeof *dx);
    real *dw = calloc(v * C, sizeof *dw);
    int32_t targets[N];
    for (int i = 0; i < N; i++)
        targets[i] = i * 1747;
    struct loss_result trained, evaluated;
    loss_step(&loss, pools[1], N, x, w, targets, dx, dw, &trained);
    loss_forward(&loss, pools[3], N, x, w, targets, &evaluated);
    assert_true(trained.nll == evaluated.nll && trained.correct == evaluated.correct);
    double nll = 0;
    for (size_t i = 0; i < N; i += 37) {
        double sum = 0, expected[C] = { 0 };
        double *p = malloc(v * sizeof *p);
        for (size_t k = 0; k < v; k++) {
            double logit = 0;
            for (size_t c = 0; c < C; c++)
                logit += (double)x[i * C + c] * (double)w[k * C + c];
            sum += p[k] = exp(logit);
        }
        for (size_t k = 0; k < v; k++)
            for (size_t c = 0; c < C; c++)
                expected[c] += (p[k] / sum - (k == (size_t)targets[i])) * (double)w[k * C + c] / N;
        for (size_t c = 0; c < C; c++)
            assert_near((double)dx[i * C + c], expected[c], 2e-7);
        assert_near(loss.nll[i], log(sum) - log(p[targets[i]]), 2e-4);
        free(p);
    }
    for (size_t i = 0; i < N; i++)
        nll += loss.nll[i];
    assert_near(trained.nll, nll, 1e-9 * nll);
    for (size_t k = 0; k < v; k += 1747 * 12) { /* some are targets, in each of the chunks */
        double expected[C] = { 0 };
        for (size_t i = 0; i < N; i++) {
            double logit = 0, target = 0;
            for (size_t c = 0; c < C; c++) {
                logit += (double)x[i * C + c] * (double)w[k * C + c];
                target += (double)x[i * C + c] * (double)w[(size_t)targets[i] * C + c];
            }
            double p = exp(logit - target - loss.nll[i]);
            for (size_t c = 0; c < C; c++)
                expected[c] += (p - (k == (size_t)targets[i])) * (double)x[i * C + c] / N;
        }
        for (size_t c = 0; c < C; c++)
            assert_near((double)dw[k * C + c], expected[c], 2e-7);
    }
    arena_done(&arena);
    free(x);
    free(w);
    free(dx);
    free(dw);
}

/* argmax: ties to the lowest id. */
static void test_accuracy_of_ties(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    struct err err;
    struct loss loss;
    loss_layout(&loss, &arena, 2, 1, 40);
    assert_int_equal(arena_build(&arena, &err), 0);
    loss_layout(&loss, &arena, 2, 1, 40);
    const real x[] = { 1, 1 };
    real w[40] = { 0 };
    w[7] = w[21] = w[39] = 2;
    const int32_t targets[] = { 7, 21 };
    struct loss_result result;
    loss_forward(&loss, pools[0], 2, x, w, targets, &result);
    assert_int_equal(result.correct, 1);
    arena_done(&arena);
}

/* Scored rows among others give the bits that they give alone, whatever the threads; the others
 * have no part in the loss, the mean, accuracy or any gradient. */
static void check_unscored(size_t n, size_t v, size_t chunks)
{
    enum { C = 5 };
    struct arena arena = { 0 };
    struct err err;
    struct loss loss;
    loss_layout(&loss, &arena, n, C, v);
    assert_int_equal(arena_build(&arena, &err), 0);
    loss_layout(&loss, &arena, n, C, v);
    real *x = normals(n * C, "x"), *w = normals(v * C, "w"), *some = calloc(n * C, sizeof *some);
    real *dx[2], *dw[2];
    int32_t *targets = calloc(n, sizeof *targets), *scored = calloc(n, sizeof *scored);
    size_t few = 0;
    for (size_t i = 0; i < n; i++) {
        targets[i] = i % 3 == 1 ? (int32_t)(i * 4) : LOSS_UNSCORED;
        if (targets[i] != LOSS_UNSCORED) {
            memcpy(some + few * C, x + i * C, C * sizeof *x);
            scored[few++] = targets[i];
        }
    }
    assert_int_equal((few + loss.chunk - 1) / loss.chunk, chunks);
    for (int i = 0; i < 2; i++) {
        dx[i] = malloc(n * C * sizeof *dx[i]);
        memset(dx[i], 7, n * C * sizeof *dx[i]); /* whatever stood there */
        dw[i] = calloc(v * C, sizeof *dw[i]);
    }
    struct loss_result all, alone, evaluated;
    loss_step(&loss, pools[3], n, x, w, targets, dx[0], dw[0], &all);
    loss_step(&loss, pools[1], few, some, w, scored, dx[1], dw[1], &alone);
    loss_forward(&loss, pools[2], n, x, w, targets, &evaluated);
    assert_int_equal(all.targets, few);
    assert_memory_equal(&all, &alone, sizeof all);
    assert_memory_equal(&all, &evaluated, sizeof all);
    assert_memory_equal(dw[0], dw[1], v * C * sizeof(real));
    const real none[C] = { 0 };
    for (size_t i = 0, k = 0; i < n; i++)
        assert_memory_equal(dx[0] + i * C, targets[i] == LOSS_UNSCORED ? none : dx[1] + C * k++,
                            sizeof none);
    arena_done(&arena);
    for (int i = 0; i < 2; i++) {
        free(dx[i]);
        free(dw[i]);
    }
    free(targets);
    free(scored);
    free(some);
    free(x);
    free(w);
}

static void test_unscored_rows(void **state)
{
    (void)state;
    check_unscored(9, 40, 1);
    check_unscored(500, 1 << 18, 3);
}

/* Nothing to learn from: no gradient, no loss, and nothing read. */
static void test_no_scored_row(void **state)
{
    (void)state;
    enum { N = 3, C = 2, V = 40 };
    struct arena arena = { 0 };
    struct err err;
    struct loss loss;
    loss_layout(&loss, &arena, N, C, V);
    assert_int_equal(arena_build(&arena, &err), 0);
    loss_layout(&loss, &arena, N, C, V);
    real *x = normals(N * C, "x"), *w = normals(V * C, "w"), dx[N * C] = { 1, 2, 3, 4, 5, 6 };
    real dw[V * C] = { 0 };
    const int32_t targets[N] = { LOSS_UNSCORED, LOSS_UNSCORED, LOSS_UNSCORED };
    struct loss_result result;
    loss_step(&loss, pools[1], N, x, w, targets, dx, dw, &result);
    assert_true(result.targets == 0 && result.correct == 0 && result.nll == 0);
    for (int i = 0; i < N * C; i++)
        assert_true(dx[i] == 0);
    for (int i = 0; i < V * C; i++)
        assert_true(dw[i] == 0);
    arena_done(&arena);
    free(x);
    free(w);
}

static void test_silu(void **state)
{
    (void)state;
    enum { N = 53 };
    real *h = normals(N, "h"), *u = normals(N, "u"), y[N], gated[N];
    uint8_t keep[N];
    for (size_t i = 0; i < N; i++) {
        h[i] *= 9;
        keep[i] = i % 5 != 0;
    }
    act_silu_drop(h, keep, (real)1.25, N, y);
    act_swiglu_drop(h, u, keep, (real)1.25, N, gated);
    for (size_t i = 0; i < N; i++) {
        double value = keep[i] ? 1.25 * (double)h[i] / (1 + exp(-(double)h[i])) : 0;
        assert_near((double)y[i], value, 1e-5);
        assert_near((double)gated[i], value * (double)u[i], 3e-5);
    }
    free(h);
    free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_pool_runs_each_task_once),
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_loss_in_chunks),
        cmocka_unit_test(test_unscored_rows),
        cmocka_unit_test(test_no_scored_row),
        cmocka_unit_test(test_accuracy_of_ties),
        cmocka_unit_test(test_silu),
    };
    return cmocka_run_group_tests_name("ops", tests, set_up, tear_down);
}
