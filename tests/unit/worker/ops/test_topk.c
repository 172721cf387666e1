/* Selection against a plain restatement: k times the best that isn't taken, lower index first. */
#include "common/philox.h"
#include "worker/ops/topk.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 130 };

static void plainly(const real *x, size_t n, size_t k, uint8_t *mask)
{
    memset(mask, 0, n);
    for (size_t taken = 0; taken < k && taken < n; taken++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!mask[i] && (best == n || x[i] > x[best]))
                best = i;
        mask[best] = 1;
    }
}

static void check(const real *x, size_t n, size_t k)
{
    topk_key scratch[MOST];
    uint8_t mask[MOST], expected[MOST];
    int32_t list[MOST];
    topk_mask(x, n, k, mask, scratch);
    plainly(x, n, k, expected);
    assert_memory_equal(mask, expected, n);
    size_t listed = topk_list(x, n, k, list, scratch), found = 0;
    for (size_t i = 0; i < n; i++)
        if (mask[i]) {
            assert_true(found < listed);
            assert_int_equal(list[found++], i);
        }
    assert_int_equal(listed, found);
}

/* Few distinct values: ties everywhere, as relu makes them. */
static void test_ties_go_to_the_lower_index(void **state)
{
    (void)state;
    const struct philox stream = philox_stream(1, "data", "topk");
    for (uint64_t round = 0; round < 60; round++) {
        real x[MOST];
        uint32_t words[MOST];
        size_t n = 1 + round * 2;
        philox_words(&stream, round, 0, n, words);
        for (size_t i = 0; i < n; i++)
            x[i] = (real)((int)(words[i] % (round % 7 + 1)) - 2);
        for (size_t k = 1; k <= n; k += 1 + n / 9)
            check(x, n, k);
    }
}

static void test_values_of_every_sign_and_size(void **state)
{
    (void)state;
    const struct philox stream = philox_stream(2, "data", "topk");
    for (uint64_t round = 0; round < 60; round++) {
        real x[MOST];
        for (size_t i = 0; i < MOST; i++)
            x[i] = (real)(philox_normal(&stream, round, i) * pow(10, (double)(i % 50) - 30));
        x[round] = (real)-INFINITY;
        x[round + 5] = (real)INFINITY;
        check(x, MOST, 1 + round * 2);
    }
}

static void test_minus_zero_ties_with_zero(void **state)
{
    (void)state;
    const real x[] = { (real)-0.0, 0, (real)-0.0, 0, -1 };
    const uint8_t expected[] = { 1, 1, 1, 0, 0 };
    topk_key scratch[10];
    uint8_t mask[5];
    topk_mask(x, 5, 3, mask, scratch);
    assert_memory_equal(mask, expected, sizeof expected);
}

static void test_nan_comes_last(void **state)
{
    (void)state;
    const real x[] = { (real)NAN, (real)-INFINITY, (real)-NAN, 1, (real)NAN };
    const uint8_t two[] = { 0, 1, 0, 1, 0 }, three[] = { 1, 1, 0, 1, 0 };
    topk_key scratch[10];
    uint8_t mask[5];
    topk_mask(x, 5, 2, mask, scratch);
    assert_memory_equal(mask, two, sizeof two);
    topk_mask(x, 5, 3, mask, scratch);
    assert_memory_equal(mask, three, sizeof three);
}

static void test_smallest_words(void **state)
{
    (void)state;
    /* equal in their upper 24 bits: a float could not tell them apart */
    const uint32_t words[] = { 0xffffff01, 0xffffff00, 0xffffffff, 0, 0xffffff01 };
    const uint8_t expected[] = { 1, 1, 0, 1, 0 };
    topk_key scratch[10];
    uint8_t mask[5];
    topk_mask_smallest(words, 5, 3, mask, scratch);
    assert_memory_equal(mask, expected, sizeof expected);
    topk_mask_smallest(words, 5, 5, mask, scratch);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(mask[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ties_go_to_the_lower_index),
        cmocka_unit_test(test_values_of_every_sign_and_size),
        cmocka_unit_test(test_minus_zero_ties_with_zero),
        cmocka_unit_test(test_nan_comes_last),
        cmocka_unit_test(test_smallest_words),
    };
    return cmocka_run_group_tests_name("topk", tests, NULL, NULL);
}
