/* tuning: as many configurations, none at an edge. */
#include "tests/unit/server/fairness.h"

#include "common/sweep/tuning.h"

static void test_untuned(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    expect(&s, "tuning", "warn", "every arm used lr 0.003; nothing was tuned");
    end(&s);
    begin(&s, plain, 2, 1, rates);
    expect(&s, "tuning", "warn", "every arm used lr 0.001, 0.002, 0.004; nothing was tuned");
    end(&s);
}

static void test_tuning(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 2, rates);
    for (size_t seed = 0; seed < 2; seed++)
        for (size_t arm = 0; arm < 2; arm++)
            run_at(&s, seed, 1, arm)->value = 0.5;
    expect(&s, "tuning", "pass", "every arm was tried with 3 configurations");

    run_at(&s, 0, 2, 1)->value = 0.1; /* means: 0.55 there, 0.5 in the middle */
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 1, 2, 1)->value = 0.8;
    expect(&s, "tuning", "warn",
           "dsa chose train.lr 0.004, at the edge of what was tried (0.001, 0.002, 0.004)");
    json_t *e = evidence(&s, "tuning");
    const json_t *chosen = json_array_get(json_object_get(e, "chosen"), 1);
    assert_true(fabs(json_number_value(json_object_get(chosen, "mean")) - 0.45) < 1e-12);
    assert_true(json_number_value(json_object_get(json_object_get(chosen, "values"), "train.lr")) ==
                0.004);
    json_decref(e);

    run_at(&s, 0, 2, 1)->value = NAN; /* one that diverged isn't chosen */
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 0, 2, 1)->value = 1;
    run_at(&s, 0, 0, 1)->value = NAN; /* nor does it stand in the way of others */
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 0, 0, 1)->value = 1;

    for (size_t seed = 0; seed < 2; seed++) /* the best, as far as it got; then cancelled */
        run_at(&s, seed, 2, 1)->value = 0.1;
    run_at(&s, 1, 2, 1)->state = RUN_FAILED;
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 1, 2, 1)->state = RUN_CANCELLED;
    expect(&s, "tuning", "warn", "dsa chose train.lr 0.004");
    run_at(&s, 1, 2, 1)->state = RUN_SUCCEEDED;
    run_at(&s, 0, 2, 1)->value = run_at(&s, 1, 2, 1)->value = 1;
    run_at(&s, 0, 0, 1)->value = NAN;
    for (size_t seed = 0; seed < 2; seed++)
        run_at(&s, seed, 0, 1)->state = RUN_FAILED;
    expect(&s, "tuning", "warn", "2 configurations of dsa were measured, but 3 of dense");
    for (size_t i = 0; i < s.runs_n; i++)
        s.runs[i].measured = false;
    expect(&s, "tuning", "skipped", "no configuration");
    end(&s);
}

static void test_tuning_upwards(void **state)
{
    (void)state;
    struct tuning_metrics metrics;
    struct study s;
    begin(&s,
          "{\"compare\":{\"metric\":\"test/accuracy\",\"goal\":\"max\",\"tune\":[\"train.lr\"]},"
          "\"grid\":{\"train.lr\":[0.001,0.002,0.004]}}",
          2, 1, rates);
    tuning_metrics(s.spec, &metrics);
    assert_string_equal(metrics.chosen_by, "val/accuracy"); /* never chosen by the test */
    assert_string_equal(metrics.compared, "test/accuracy");
    run_at(&s, 0, 1, 0)->value = run_at(&s, 0, 1, 1)->value = 2;
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 0, 1, 1)->value = 0.5;
    expect(&s, "tuning", "warn", "dsa chose train.lr 0.001");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untuned),
        cmocka_unit_test(test_tuning),
        cmocka_unit_test(test_tuning_upwards),
    };
    return cmocka_run_group_tests_name("fairness: tuning", tests, NULL, NULL);
}
