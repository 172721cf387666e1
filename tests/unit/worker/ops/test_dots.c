/* Products that something is decided by: every kernel that this processor runs against the chain
 * that its contract names, to the bit, at any place and in any number of rows and columns. */
#include "common/philox.h"
#include "worker/ops/dots.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 70, K_MOST = 67, HEADS = 3 };

static const size_t sizes[] = { 1, 2, 5, 6, 7, 8, 9, 16, 20, 31, 33, 64, MOST };
static const size_t widths[] = { 1, 4, 16, K_MOST };
enum { SIZES = sizeof sizes / sizeof *sizes, WIDTHS = sizeof widths / sizeof *widths };

static real a[MOST * HEADS * K_MOST], b[MOST * K_MOST], weight[MOST * HEADS];
static real packed[(MOST + DOTS_PANEL) * K_MOST];

/* Row i repeats row i mod 7, so that every place has equals elsewhere. */
static void fill(real *rows, size_t n, size_t width, const char *name)
{
    const struct philox stream = philox_stream(5, "data", name);
    for (size_t i = 0; i < n * width; i++)
        rows[i] = (real)philox_normal(&stream, 0, i / width % 7 * width + i % width);
}

static real chained(bool fused, real x, real y, real sum)
{
    return fused ? (real)fmaf(x, y, sum) : x * y + sum;
}

static real chain(bool fused, const real *x, const real *y, size_t k)
{
    real sum = 0;
    for (size_t p = 0; p < k; p++)
        sum = chained(fused, x[p], y[p], sum);
    return sum;
}

static void assert_bits(const char *kernel, const char *what, size_t i, size_t j, real actual,
                        real expected)
{
    if (memcmp(&actual, &expected, sizeof actual) != 0)
        fail_msg("%s: %s[%zu,%zu] is %.9g, not %.9g", kernel, what, i, j, (double)actual,
                 (double)expected);
}

static void check_product(const struct dots_kernels *kernels, size_t m, size_t n, size_t k)
{
    static real c[MOST * MOST];
    const real by = (real)0.3;
    dots_pack(n, k, b, k, packed);
    for (size_t i = 0; i < MOST * MOST; i++)
        c[i] = 77;
    kernels->product(m, n, k, by, a, k, packed, c, MOST);
    for (size_t i = 0; i < MOST; i++)
        for (size_t j = 0; j < MOST; j++)
            assert_bits(kernels->name, "c", i, j, c[i * MOST + j],
                        i < m && j < n ? by * chain(kernels->fused, a + i * k, b + j * k, k) : 77);
}

static void test_products(void **state)
{
    (void)state;
    for (size_t w = 0; w < WIDTHS; w++) {
        fill(a, MOST, widths[w], "a");
        fill(b, MOST, widths[w], "b");
        const struct dots_kernels *kernels;
        for (size_t v = 0; (kernels = dots_kernels_at(v)) != NULL; v++)
            for (size_t i = 0; i < SIZES; i++)
                for (size_t j = 0; j < SIZES; j++)
                    check_product(kernels, sizes[i], sizes[j], widths[w]);
    }
}

static real scored(const struct dots_heads *x, bool fused, size_t i, size_t s)
{
    real sum = 0;
    for (size_t h = 0; h < x->heads; h++) {
        real dot = chain(fused, x->a + (i * x->heads + h) * x->k, b + s * x->k, x->k);
        sum = chained(fused, x->by * x->weight[i * x->heads + h], dot > 0 ? dot : 0, sum);
    }
    return sum;
}

static void check_relu_sum(const struct dots_kernels *kernels, size_t from, size_t rows, size_t k)
{
    static real c[MOST * MOST];
    const struct dots_heads x = { rows, HEADS, k, from, a, weight, (real)0.3, packed };
    dots_pack(from + rows, k, b, k, packed);
    for (size_t i = 0; i < MOST * MOST; i++)
        c[i] = 77;
    kernels->relu_sum(&x, c, MOST);
    for (size_t i = 0; i < MOST; i++)
        for (size_t s = 0; s < MOST; s++)
            if (i >= rows || s >= from + rows)
                assert_bits(kernels->name, "beyond", i, s, c[i * MOST + s], 77);
            else if (s <= from + i)
                assert_bits(kernels->name, "I", i, s, c[i * MOST + s],
                            scored(&x, kernels->fused, i, s));
}

static void test_scores(void **state)
{
    (void)state;
    fill(weight, MOST, HEADS, "w");
    for (size_t w = 0; w < WIDTHS; w++) {
        fill(a, MOST, HEADS * widths[w], "a");
        fill(b, MOST, widths[w], "b");
        const struct dots_kernels *kernels;
        for (size_t v = 0; (kernels = dots_kernels_at(v)) != NULL; v++)
            for (size_t i = 0; i < SIZES; i++)
                for (size_t from = 0; from + sizes[i] <= MOST; from += 11)
                    check_relu_sum(kernels, from, sizes[i], widths[w]);
    }
}

/* Shared out over any number of threads, rows and columns that are equal give equal bits, and so
 * they do on one thread that packs panel by panel. */
static void test_equals_tie(void **state)
{
    (void)state;
    static real c[MOST * MOST], alone[MOST * MOST], panel[DOTS_PANEL * K_MOST];
    fill(a, MOST, K_MOST, "a");
    fill(b, MOST, K_MOST, "b");
    for (int threads = 1; threads <= 3; threads++) {
        struct pool *pool;
        struct err err;
        assert_int_equal(pool_new(threads, &pool, &err), 0);
        for (size_t i = 0; i < SIZES; i++)
            for (size_t j = 0; j < SIZES; j++) {
                size_t m = sizes[i], n = sizes[j];
                dots_shared(pool, m, n, K_MOST, a, b, packed, c);
                for (size_t at = 0; at < m * n; at++)
                    assert_bits("best", "c", at / n, at % n, c[at], c[at / n % 7 * n + at % n % 7]);
                dots_alone(m, n, K_MOST, a, b, panel, alone);
                assert_memory_equal(alone, c, m * n * sizeof *c);
            }
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_equals_tie),
    };
    return cmocka_run_group_tests_name("dots", tests, NULL, NULL);
}
