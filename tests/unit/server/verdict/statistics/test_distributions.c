/* Quantiles and power against SciPy 1.10 (scipy.stats.t, chi2, nct). */
#include "server/verdict/statistics/distributions.h"
#include "server/verdict/statistics/stats.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

static void near(double is, double should, double within)
{
    if (!(fabs(is - should) <= within * fabs(should)))
        fail_msg("%.15g is not %.15g", is, should);
}

static void test_student(void **state)
{
    static const struct {
        double p, df, t;
    } known[] = {
        { .975, 1, 12.706204736432095 },  { .975, 5, 2.5705818366147395 },
        { .8, 5, 0.919543780236326 },     { .975, 15, 2.131449545559323 },
        { .8, 39, 0.8509350194828653 },   { .975, 9999, 1.9602012636213575 },
        { .025, 5, -2.5705818366147395 }, { .975, 99999, 1.9599877077718446 },
        { .975, 2e5, 1.959975845966768 }, { .8, 1e6, 0.8416215930139842 },
        { .975, 1e9, 1.959963986912325 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        near(student_quantile(known[i].p, known[i].df), known[i].t, 1e-9);
    assert_true(fabs(student_quantile(.5, 7)) < 1e-9);
}

static void test_chi2(void **state)
{
    static const struct {
        double p, df, x;
    } known[] = {
        { .05, 5, 1.1454762260617692 },   { .95, 5, 11.070497693516351 },
        { .05, 1, 0.003932140000019522 }, { .95, 200, 233.99426889232492 },
        { .05, 9999, 9767.53676710613 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        near(chi2_quantile(known[i].p, known[i].df), known[i].x, 1e-9);
}

static void test_power(void **state)
{
    static const struct {
        size_t n;
        double sd, margin, power;
    } known[] = {
        { 6, 1, 1, 0.5068419796713641 },       { 6, 1, .1, 0.05468870032215112 },
        { 34, 2, 1, 0.8077775012792737 },      { 2, 1, 1, 0.0928091550544744 },
        { 16, .02, .01, 0.46486995563573996 }, { 1000, 1, .1, 0.8847890988907141 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        near(stats_power(known[i].n, known[i].sd, known[i].margin, 0.05), known[i].power, 1e-8);
    assert_true(isnan(stats_power(1, 1, 1, 0.05)));
    assert_true(isnan(stats_power(6, NAN, 1, 0.05)));
    assert_true(stats_power(6, 0, 1, 0.05) == 1);
}

static void test_needed(void **state)
{
    static const struct {
        double sd, margin;
        size_t needed;
    } known[] = {
        { .01, .01, 10 }, { .02, .01, 34 }, { .05, .01, 199 }, { .001, .01, 6 }, { 1, .01, 78491 },
    };
    static const struct {
        double sd;
        size_t low, high;
    } ranges[] = { { .01, 7, 28 }, { .02, 18, 104 }, { .05, 100, 636 } };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct stats_needed needed = stats_needed_seeds(8, known[i].sd, known[i].margin, 0.05);
        assert_int_equal(needed.seeds, known[i].needed);
        assert_true(needed.low <= needed.seeds && needed.seeds <= needed.high);
    }
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct stats_needed needed = stats_needed_seeds(8, ranges[i].sd, .01, 0.05);
        assert_int_equal(needed.low, ranges[i].low);
        assert_int_equal(needed.high, ranges[i].high);
    }
    /* SciPy, at the level of a look; of two, six pairs reach no p below 0.031 */
    assert_int_equal(stats_needed_seeds(8, .01, .01, 0.025).seeds, 13);
    assert_int_equal(stats_needed_seeds(8, .02, .01, 0.025).seeds, 41);
    assert_int_equal(stats_needed_seeds(8, .03, .01, 0.005).seeds, 124);
    assert_int_equal(stats_needed_seeds(8, 1e-9, .01, 0.025).seeds, 7);
    assert_int_equal(stats_needed_seeds(5, .01, .01, 0.05).seeds,
                     0); /* too few to know the spread */
    assert_int_equal(stats_needed_seeds(8, NAN, .01, 0.05).seeds, 0);
    assert_int_equal(stats_needed_seeds(8, .01, 0, 0.05).seeds, 0);
    assert_int_equal(stats_needed_seeds(8, 1e9, 1e-9, 0.05).seeds, 1000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_student),
        cmocka_unit_test(test_chi2),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
