/* power: seeds that can be paired, and the floor that it rests on. */
#include "tests/unit/server/fairness.h"

#include "server/verdict/stats.h"

static void test_power(void **state)
{
    (void)state;
    static const struct {
        size_t seeds;
        const char *status;
        double p;
    } rows[] = { { 1, "fail", 1 },
                 { 2, "fail", 0.5 },
                 { 5, "fail", 0.0625 },
                 { 6, "pass", 0.03125 },
                 { 8, "pass", 0.0078125 } };
    struct study s;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(&s, plain, 2, rows[i].seeds, lengths);
        expect(&s, "power", rows[i].status, "the smallest p that can be reached is");
        json_t *e = evidence(&s, "power");
        assert_true(json_number_value(json_object_get(e, "smallest_p")) == rows[i].p);
        assert_int_equal(json_integer_value(json_object_get(e, "comparisons")), 2);
        json_decref(e);
        end(&s);
    }
    begin(&s, plain, 3, 8, no_grid);
    for (size_t seed = 0; seed < 3; seed++) /* lost in one arm alone */
        run_at(&s, seed, 0, 2)->state = seed == 0 ? RUN_CANCELLED : RUN_FAILED;
    expect(&s, "power", "fail", "of 8 seeds 5 can be paired between third and dense");
    assert_non_null(strstr(only(&s, "power")->detail, "at least 6 seeds"));
    end(&s);
}

static void test_power_counts_what_was_chosen(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 6, rates);
    for (size_t seed = 0; seed < 6; seed++)
        run_at(&s, seed, 1, 0)->value = run_at(&s, seed, 1, 1)->value = 0.5;
    run_at(&s, 0, 2, 1)->state = RUN_FAILED; /* at a rate that nobody chose */
    expect(&s, "power", "pass", "0.031");
    run_at(&s, 0, 1, 1)->state = RUN_FAILED; /* then another one is chosen */
    run_at(&s, 0, 2, 1)->state = RUN_SUCCEEDED;
    expect(&s, "power", "pass", "0.031");
    run_at(&s, 0, 1, 1)->state = RUN_CANCELLED;
    expect(&s, "power", "fail", "5 can be paired");
    end(&s);
}

/* The floor that power rests on: with clear differences, however many, max-|t| leaves 2/2^n. */
static void test_adjusting_does_not_raise_the_floor(void **state)
{
    (void)state;
    enum { M = 9, N = 6 };
    struct stats_flips flips = { 0 };
    double d[M * N], p[M];
    struct err err;
    for (size_t c = 0; c < M; c++)
        for (size_t seed = 0; seed < N; seed++)
            d[c * N + seed] = 1 + (double)c + 0.01 * (double)((c * 7 + seed * 3) % 5);
    assert_ok(stats_adjusted(&flips, d, M, N, p, &err), err);
    for (size_t c = 0; c < M; c++)
        assert_true(p[c] == 2.0 / 64);
    assert_ok(stats_adjusted(&flips, d, M, N - 1, p, &err), err); /* other rows, one seed fewer */
    for (size_t c = 0; c < M; c++)
        assert_true(p[c] >= 2.0 / 32);
    stats_flips_done(&flips);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_power_counts_what_was_chosen),
        cmocka_unit_test(test_adjusting_does_not_raise_the_floor),
    };
    return cmocka_run_group_tests_name("fairness: power", tests, NULL, NULL);
}
