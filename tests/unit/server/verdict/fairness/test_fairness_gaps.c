/* What nobody audited, and what there is to say of one arm. */
#include "tests/unit/server/fairness.h"

static size_t missing(const struct study *s, const char *name, const char *arm, const char *detail)
{
    size_t n = 0;
    for (size_t i = 0; i < s->found_n; i++) {
        const struct audit_row *row = &s->found[i];
        bool whose = arm == NULL ? row->arm == NULL : row->arm && strcmp(row->arm, arm) == 0;
        if (strcmp(row->name, name) != 0 || !whose)
            continue;
        assert_string_equal(row->status, "skipped");
        assert_int_equal(row->grid == NULL, strcmp(name, "replay") == 0);
        if (strstr(row->detail, detail) == NULL)
            fail_msg("%s", row->detail);
        n++;
    }
    return n;
}

static void report(struct study *s, const char *name, const char *arm, const char *grid)
{
    char *key = audit_key(name, arm, grid);
    json_object_set_new(s->reported, key, json_true());
    free(key);
}

static void test_audits_that_nobody_made(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 2, lengths);
    run_at(&s, 0, 1, 1)->state = RUN_CANCELLED;
    run_at(&s, 1, 0, 0)->state = RUN_FAILED; /* a second seed has no audits to make */
    for (size_t point = 0; point < 2; point++) {
        report(&s, "split_overlap", NULL, lengths[point]);
        for (size_t arm = 0; arm < 2; arm++)
            for (size_t i = 0; i < 7 && (point == 0 || arm == 0); i++)
                report(&s,
                       (const char *const[]){ "causality", "entropy_floor", "dense_equivalence",
                                              "gradient", "detached", "evaluation",
                                              "indexer_learns" }[i],
                       s.arms[arm], lengths[point]);
    }
    look(&s);
    static const char why[] = "run 4, which was to make this audit, was cancelled before it did";
    assert_int_equal(missing(&s, "causality", "dsa", why), 1);
    assert_int_equal(missing(&s, "entropy_floor", "dsa", why), 1);
    assert_int_equal(missing(&s, "dense_equivalence", "dsa", why), 1);
    assert_int_equal(missing(&s, "gradient", "dsa", why), 1);
    assert_int_equal(missing(&s, "detached", "dsa", why), 1);
    assert_int_equal(missing(&s, "evaluation", "dsa", why), 1);
    assert_int_equal(missing(&s, "indexer_learns", "dsa", why), 1);
    assert_int_equal(missing(&s, "causality", "dense", ""), 0);
    assert_int_equal(missing(&s, "split_overlap", NULL, ""), 0);
    assert_int_equal(missing(&s, "replay", "dense", "run 1, which was to make"), 1);
    report(&s, "replay", "dense", NULL); /* of another run of the arm, resumed */
    look(&s);
    assert_int_equal(missing(&s, "replay", "dense", ""), 0);
    assert_int_equal(missing(&s, "replay", "dsa", "run 2, which was to make"), 1);

    json_object_clear(s.reported);
    run_at(&s, 0, 0, 0)->state = RUN_FAILED;
    look(&s);
    assert_int_equal(missing(&s, "causality", "dense", "run "), 2);
    assert_int_equal(missing(&s, "dense_equivalence", "dense", "run "), 2);
    assert_int_equal(missing(&s, "indexer_learns", "dense", ""), 0);
    assert_int_equal(missing(&s, "split_overlap", NULL, "run "), 2); /* once a grid point */
    end(&s);
}

/* 600 grid points, two arms: a row an arm, not 3,000. */
static void test_very_many_gaps_are_told_together(void **state)
{
    (void)state;
    enum { POINTS = 600 };
    static struct digests_row runs[2 * POINTS];
    static char grids[POINTS][32];
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    for (size_t i = 0; i < 2 * POINTS; i++) {
        snprintf(grids[i / 2], 32, "{\"train.lr\":%zu}", i / 2 + 1);
        runs[i] = s.runs[i % 2];
        runs[i].grid = grids[i / 2];
        runs[i].state = RUN_CANCELLED;
        runs[i].run = (int64_t)(i % 2) + 1; /* of whose spec and weights it is */
    }
    struct err err = { 0 };
    const struct fairness_input in = { .spec = s.spec,
                                       .runs = runs,
                                       .runs_n = 2 * POINTS,
                                       .reported = s.reported,
                                       .spec_of = spec_of,
                                       .init_of = init_of,
                                       .arg = &s };
    assert_ok(fairness_find(&in, &s.found, &s.found_n, &err), err);
    assert_int_equal(s.found_n, 6 + 1 + 1 + 2 + 2 + 2 + 2 + 1 + 2 + 1 + 2 + 2 + 2 + 2 + 1);
    const struct audit_row *row = only(&s, "indexer_learns");
    assert_string_equal(row->arm, "dsa");
    assert_null(row->grid);
    assert_non_null(strstr(row->detail, "nor was it made at 599 other grid points"));
    assert_null(only(&s, "split_overlap")->arm);
    end(&s);
}

static void test_one_arm_has_nothing_to_compare(void **state)
{
    (void)state;
    static const char *const names[] = { "shared_init", "same_batches", "learned",         "budget",
                                         "tuning",      "power",        "same_environment" };
    struct study s;
    begin(&s, plain, 1, 6, no_grid);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect(&s, names[i], "skipped", "one arm");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audits_that_nobody_made),
        cmocka_unit_test(test_very_many_gaps_are_told_together),
        cmocka_unit_test(test_one_arm_has_nothing_to_compare),
    };
    return cmocka_run_group_tests_name("fairness: gaps", tests, NULL, NULL);
}
