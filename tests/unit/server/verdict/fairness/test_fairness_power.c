/* power: seeds that can be paired, what their spread lets one find out, and the floor below. */
#include "tests/unit/server/fairness.h"

#include "server/verdict/statistics/stats.h"

#include <math.h>

/* One place; the arm's differences to the baseline have this sd: those of ±1 by turns, scaled. */
static void spread(struct study *s, size_t seeds, double sd)
{
    double n = (double)seeds, unit = sqrt(n / (n - 1)); /* the sd of ±1, n even */
    for (size_t seed = 0; seed < seeds; seed++) {
        run_at(s, seed, 0, 0)->value = 3;
        run_at(s, seed, 0, 1)->value = 3.5 + (seed % 2 == 0 ? 1 : -1) * sd / unit;
    }
}

static void test_too_few(void **state)
{
    (void)state;
    struct study s;
    for (size_t seeds = 1; seeds < 6; seeds++) {
        begin(&s, plain, 2, seeds, lengths);
        expect(&s, "power", "fail", "too few seeds for any claim, which takes 6; of ");
        json_t *e = evidence(&s, "power");
        assert_int_equal(json_integer_value(json_object_get(e, "pairs")), seeds);
        assert_int_equal(json_integer_value(json_object_get(e, "comparisons")), 2);
        json_decref(e);
        end(&s);
    }
    begin(&s, plain, 3, 8, no_grid);
    for (size_t seed = 0; seed < 3; seed++) /* lost in one arm alone */
        run_at(&s, seed, 0, 2)->state = seed == 0 ? RUN_CANCELLED : RUN_FAILED;
    expect(&s, "power", "fail", "of 8 seeds 5 can be paired between third and dense");
    end(&s);
}

/* SciPy's nct: 0.0652 at sd = 8 margins, 0.5068 at one, n = 6; 0.8078 at two, n = 34. */
static void test_power(void **state)
{
    (void)state;
    static const struct {
        size_t seeds;
        double margins, power;
        const char *status, *words;
    } rows[] = {
        { 6, 1, 0.5068419796713641, "warn",
          "with a chance of 50 %, and 80 % are wanted: sd 0.01 " },
        { 6, 10, 0.05468870032215112, "warn", "with a chance of 5 %" },
        { 34, 2, 0.8077775012792737, "pass", "with a chance of 80 %: sd 0.02 over 34 pairs of " },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct study s;
        begin(&s, plain, 2, rows[i].seeds, no_grid);
        spread(&s, rows[i].seeds, rows[i].margins * 0.01);
        expect(&s, "power", rows[i].status, rows[i].words);
        json_t *e = evidence(&s, "power");
        double power = json_number_value(json_object_get(e, "power"));
        assert_true(fabs(power - rows[i].power) < 1e-6);
        json_decref(e);
        /* of two arms the one that spreads more; diverged ones tell nothing */
        run_at(&s, 0, 0, 1)->value = INFINITY;
        run_at(&s, 1, 0, 1)->value = NAN;
        look(&s);
        e = evidence(&s, "power");
        assert_true(json_number_value(json_object_get(e, "sd")) > 0);
        json_decref(e);
        end(&s);
    }
}

/* Each of two looks is tested at 2.5 %, which six pairs can't reach: 2/2^6. SciPy's nct at that
 * level: 0.4523 of seven. */
static void test_looks(void **state)
{
    (void)state;
    static const struct {
        size_t seeds;
        double power;
        const char *status, *words;
    } rows[] = {
        { 6, 0, "fail",
          "too few seeds to find a difference at a look, which is tested at 2.5 % and takes 7; of 6 "
          "seeds 6 can be paired" },
        { 7, 0.452259999813318, "warn", "with a chance of 45 %" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct study s;
        begin(&s, plain, 2, rows[i].seeds, no_grid);
        json_object_set_new(json_object_get(s.spec, "compare"), "looks",
                            json_pack("[I, i]", (json_int_t)rows[i].seeds, 12));
        spread(&s, rows[i].seeds, 0.01);
        expect(&s, "power", rows[i].status, rows[i].words);
        json_t *e = evidence(&s, "power");
        assert_int_equal(json_integer_value(json_object_get(e, "needed_pairs")), 7);
        if (fabs(json_number_value(json_object_get(e, "power")) - rows[i].power) > 1e-6)
            fail_msg("%.10g", json_number_value(json_object_get(e, "power")));
        json_decref(e);
        end(&s);
    }
}

static void test_power_counts_what_was_chosen(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 6, rates);
    for (size_t seed = 0; seed < 6; seed++)
        run_at(&s, seed, 1, 0)->value = run_at(&s, seed, 1, 1)->value = 0.5;
    run_at(&s, 0, 2, 1)->state = RUN_FAILED; /* at a rate that nobody chose */
    expect(&s, "power", "pass", "over 6 pairs");
    run_at(&s, 0, 1, 1)->state = RUN_FAILED; /* then another one is chosen */
    run_at(&s, 0, 2, 1)->state = RUN_SUCCEEDED;
    look(&s);
    assert_null(strstr(only(&s, "power")->detail, "too few"));
    run_at(&s, 0, 1, 1)->state = RUN_CANCELLED;
    expect(&s, "power", "fail", "5 can be paired");
    end(&s);
}

/* After tuning the differences are of the test split, which is what decides. */
static void test_power_goes_by_what_decides(void **state)
{
    (void)state;
    struct study s;
    struct digests_row judged[RUNS];
    struct audit_row *found = NULL;
    size_t n = 0;
    struct err err = { 0 };
    begin(&s, plain, 2, 8, no_grid);
    spread(&s, 8, 0.001);
    memcpy(judged, s.runs, s.runs_n * sizeof *judged);
    for (size_t i = 0; i < s.runs_n; i++)
        judged[i].value = (double)(i % 5);
    const struct fairness_input in = { .spec = s.spec,
                                       .runs = s.runs,
                                       .runs_n = s.runs_n,
                                       .judged = judged,
                                       .reported = s.reported,
                                       .spec_of = spec_of,
                                       .init_of = init_of,
                                       .arg = &s };
    expect(&s, "power", "pass", "with a chance of ");
    assert_ok(fairness_find(&in, &found, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(found[i].name, "power") == 0)
            assert_string_equal(found[i].status, "warn");
        audit_row_done(&found[i]);
    }
    free(found);
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
        cmocka_unit_test(test_too_few),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_power_goes_by_what_decides),
        cmocka_unit_test(test_power_counts_what_was_chosen),
        cmocka_unit_test(test_adjusting_does_not_raise_the_floor),
    };
    return cmocka_run_group_tests_name("fairness: power", tests, NULL, NULL);
}
