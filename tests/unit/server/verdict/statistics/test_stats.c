/* Statistics against values computed by hand or by enumeration in another language. */
#include "server/verdict/statistics/stats.h"

#include "common/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct stats_paired paired(const double *d, size_t n)
{
    struct stats_paired got;
    struct stats_flips flips = { 0 };
    assert_int_equal(stats_paired(&flips, d, n, &got, NULL), 0);
    stats_flips_done(&flips);
    return got;
}

static void test_six_alike_signs_reach_one_in_thirty_two(void **state)
{
    (void)state;
    const double d[] = { -0.3, -0.1, -0.2, -0.5, -0.4, -0.6 };
    struct stats_paired got = paired(d, 6);
    assert_float_equal(got.mean, -0.35, 1e-15);
    assert_float_equal(got.sd, 0.18708286933869706, 1e-15);
    assert_float_equal(got.p, 2.0 / 64, 0);
    /* alpha·2^5 = 1.6: the first subset mean from either end, that is min and max. */
    assert_float_equal(got.ci95.low, -0.6, 1e-15);
    assert_float_equal(got.ci95.high, -0.1, 1e-15);
    /* alpha·2^5 = 3.2: the third. The lowest means: {-.6}, {-.6,-.5}, {-.6,-.5,-.4} = {-.5}. */
    assert_float_equal(got.ci90.low, -0.5, 1e-15);
    assert_float_equal(got.ci90.high, -0.2, 1e-15);
    assert_int_equal(stats_judge(got.mean, got.p, 1, 0.05, true), STATS_BETTER);
    assert_int_equal(stats_judge(got.mean, got.p, 1, 0.05, false), STATS_WORSE);
    assert_int_equal(stats_judge(got.mean, got.p, 1, 0.025, true), STATS_UNDETERMINED);
    assert_int_equal(stats_judge(got.mean, got.p, 0.05, 0.05, true), STATS_EQUIVALENT);
}

static void test_five_seeds_claim_nothing(void **state)
{
    (void)state;
    const double d[] = { 1, 1.1, 1.2, 1.3, 1.4 };
    struct stats_paired got = paired(d, 5);
    assert_float_equal(got.p, 2.0 / 32, 0);
    assert_true(isinf(got.ci95.low) && isinf(got.ci95.high));
}

static void test_one_seed_and_none(void **state)
{
    (void)state;
    const double d[] = { 0.5 };
    struct stats_paired got = paired(d, 1);
    assert_float_equal(got.p, 1, 0);
    assert_true(isnan(got.sd));
    got = paired(d, 0);
    assert_int_equal(got.n, 0);
    assert_float_equal(got.p, 1, 0);
}

static void test_ties_and_mixed_signs(void **state)
{
    (void)state;
    /* 2^7 flips; those with |sum| ≥ 1: counted by enumeration. */
    const double d[] = { 0, 0, 1, -1, 2, -2, 1 };
    struct stats_paired got = paired(d, 7);
    assert_float_equal(got.p, 1.0, 0); /* the sum of an odd total is never 0 */
    const double e[] = { 0.2, 0.3, -0.1, 0.4, 0.25, 0.15, 0.05, 0.35 };
    got = paired(e, 8);
    assert_float_equal(got.p, 6.0 / 256, 0);
}

static void test_beyond_sixteen_is_sampled_but_repeatable(void **state)
{
    (void)state;
    double d[17];
    for (int i = 0; i < 17; i++)
        d[i] = i - 6.5; /* mean 1.5, sd 5.05: p about 0.24 */
    struct stats_paired a = paired(d, 17), b = paired(d, 17);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.p > 0.22 && a.p < 0.27);
    assert_true(a.ci95.low < 0 && a.ci95.low > -2 && a.ci95.high > 3 && a.ci95.high < 5);
}

/* Seed j's sign in flip i is bit j mod 32 of word j / 32 of the stream at step i. */
static void test_flips_are_those_of_the_stream(void **state)
{
    (void)state;
    static const size_t sizes[] = { 17, 64, 1000, 1029 };
    static double d[1029];
    for (size_t k = 0; k < 4; k++) {
        size_t n = sizes[k];
        struct stats_paired got;
        struct stats_flips flips = { 0 };
        const struct philox stream = philox_stream((int64_t)n, "data", "sign-flips");
        assert_int_equal(stats_paired(&flips, d, n, &got, NULL), 0);
        for (size_t i = 1; i < flips.count; i += 977) {
            unsigned turned = 0;
            for (size_t j = 0; j < 8 * flips.bytes; j++) {
                unsigned want = j < n ? philox_word(&stream, i, j / 32) >> (j % 32) & 1 : 0;
                assert_int_equal(flips.bits[i * flips.bytes + j / 8] >> (j % 8) & 1, want);
                turned += want;
            }
            assert_int_equal(flips.turned[i], turned);
        }
        stats_flips_done(&flips);
    }
}

static void test_very_many_seeds_are_sampled_less(void **state)
{
    (void)state;
    static double d[10000];
    struct stats_paired got;
    struct stats_flips flips = { 0 };
    for (size_t j = 0; j < 10000; j++)
        d[j] = (double)(j % 7) - 2.95; /* mean 0.05, sd 2: 2.5 standard errors */
    assert_int_equal(stats_paired(&flips, d, 1024, &got, NULL), 0);
    assert_int_equal(flips.count, STATS_SAMPLES);
    assert_int_equal(stats_paired(&flips, d, 10000, &got, NULL), 0);
    assert_int_equal(flips.count, 6710);
    assert_true(got.p > 0.005 && got.p < 0.02); /* 0.0124 by the normal */
    assert_true(got.ci95.low > 0 && got.ci95.high < 0.1);
    stats_flips_done(&flips);
}

static void test_adjusted_is_joint(void **state)
{
    (void)state;
    const double d[2][6] = { { 1, 2, 3, 4, 5, 6 }, { 1, -1, 2, -2, 1, -1 } };
    double p[2];
    struct stats_flips flips = { 0 };
    assert_int_equal(stats_adjusted(&flips, &d[0][0], 2, 6, p, NULL), 0);
    /* Only the observed flip and its mirror reach the first row's |t|, unless a flip lines up the
     * second row's signs: {1,1,2,2,1,1} and its mirror have a greater |t|. */
    assert_float_equal(p[0], 4.0 / 64, 0);
    assert_float_equal(p[1], 1, 0);
    /* Copies of one comparison need no correction. */
    const double same[2][6] = { { 1, 2, 3, 4, 5, 6 }, { 1, 2, 3, 4, 5, 6 } };
    assert_int_equal(stats_adjusted(&flips, &same[0][0], 2, 6, p, NULL), 0);
    assert_float_equal(p[0], 2.0 / 64, 0);
    assert_float_equal(p[1], 2.0 / 64, 0);
    stats_flips_done(&flips);
}

static void test_equivalence_is_joint_and_one_sided(void **state)
{
    (void)state;
    const double d[2][6] = { { .01, -.02, .03, .01, -.01, .02 }, { .5, .6, .4, .5, .55, .45 } };
    double p[2];
    struct stats_flips flips = { 0 };
    /* alone: no flip but the observed one comes up to it */
    assert_int_equal(stats_equivalence(&flips, &d[0][0], 1, 6, 0.1, p, NULL), 0);
    assert_float_equal(p[0], 1.0 / 64, 0);
    /* the second row lies far beyond the margin */
    assert_int_equal(stats_equivalence(&flips, &d[0][0], 2, 6, 0.1, p, NULL), 0);
    assert_true(p[0] > 1.0 / 64 && p[0] <= 0.05);
    assert_float_equal(p[1], 1, 0);
    /* at the end of the margin nothing speaks for equivalence */
    const double edge[] = { .1, .1, .1, .1, .1, .1 };
    assert_int_equal(stats_equivalence(&flips, edge, 1, 6, 0.1, p, NULL), 0);
    assert_float_equal(p[0], 1, 0);
    stats_flips_done(&flips);
}

static void test_median(void **state)
{
    (void)state;
    double odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 };
    assert_float_equal(stats_median(odd, 3), 2, 0);
    assert_float_equal(stats_median(even, 4), 2.5, 0);
    assert_true(isnan(stats_median(odd, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_six_alike_signs_reach_one_in_thirty_two),
        cmocka_unit_test(test_five_seeds_claim_nothing),
        cmocka_unit_test(test_one_seed_and_none),
        cmocka_unit_test(test_ties_and_mixed_signs),
        cmocka_unit_test(test_beyond_sixteen_is_sampled_but_repeatable),
        cmocka_unit_test(test_flips_are_those_of_the_stream),
        cmocka_unit_test(test_very_many_seeds_are_sampled_less),
        cmocka_unit_test(test_adjusted_is_joint),
        cmocka_unit_test(test_equivalence_is_joint_and_one_sided),
        cmocka_unit_test(test_median),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
