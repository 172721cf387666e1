/* selection: other experiments with the same cells are named, with what came of them. */
#include "tests/unit/server/fairness.h"

/* "a" ran in experiments 3, 5 and 9, "b" in 3 and 5, nothing else anywhere. */
static int elsewhere(void *arg, const char *cell, struct cell_row **ret, size_t *ret_n,
                     struct err *err)
{
    static const struct cell_row dense[] = { { 3, false, false, 17, 0, 2.5 },
                                             { 5, true, false, 6, 0, 2.25 },
                                             { 9, true, true, 4, 0, 0 } },
                                 dsa[] = { { 3, false, false, 17, 0, 2.75 },
                                           { 5, true, false, 6, 0, 2 } };
    (void)arg;
    (void)err;
    size_t n = strcmp(cell, "a") == 0 ? 3 : strcmp(cell, "b") == 0 ? 2 : 0;
    struct cell_row *rows = calloc(n + 1, sizeof *rows);
    assert_non_null(rows);
    memcpy(rows, n == 3 ? dense : dsa, n * sizeof *rows);
    *ret = rows;
    *ret_n = n;
    return 0;
}

/* As the store: only then is a mean known. */
static int mean_of(void *arg, const char *cell, struct cell_row *row, struct err *err)
{
    (void)arg;
    (void)cell;
    (void)err;
    row->measured = row->deleted && strcmp(cell, "b") == 0 ? 5 : row->purged ? 0 : row->runs;
    return 0;
}

static void set_cells(struct study *s, const char *const *cells)
{
    for (size_t i = 0; i < s->runs_n; i++)
        s->runs[i].cell = (char *)(uintptr_t)cells[i % (s->points_n * s->arms_n)];
}

static void test_others_are_named(void **state)
{
    (void)state;
    static const char *const none[] = { "x", "y" }, *const both[] = { "a", "b" },
                             *const arm[] = { "x", "b" };
    struct study s;
    begin(&s, plain, 2, 2, no_grid);
    expect(&s, "selection", "pass", "no other experiment"); /* of an older daemon: not known */
    s.elsewhere = elsewhere;
    s.mean = mean_of;
    expect(&s, "selection", "pass", "no other experiment");
    set_cells(&s, none);
    expect(&s, "selection", "pass", "no other experiment");
    set_cells(&s, both);
    expect(&s, "selection", "warn",
           "2 of these specifications ran in 3 other experiments, too: experiment 9 (purged, 4 "
           "runs), experiment 5 (deleted, 12 runs, val/loss Δ of dsa against dense -0.25), "
           "experiment 3 (34 runs, val/loss Δ of dsa against dense +0.25); a p of this one doesn't "
           "know of them");
    assert_int_equal(count(&s, "selection", "experiments_n"), 3);
    assert_int_equal(count(&s, "selection", "cells_n"), 5);
    json_t *e = evidence(&s, "selection"),
           *wanted = load("{\"arm\":\"dense\",\"grid\":{},\"experiment\":3,\"deleted\":false,"
                          "\"purged\":false,\"runs\":17,\"measured\":17,\"mean\":2.5}");
    assert_true(json_equal(json_array_get(json_object_get(e, "cells"), 0), wanted));
    json_decref(e);
    json_decref(wanted);
    set_cells(&s, arm); /* without the baseline there is no difference to tell */
    expect(&s, "selection", "warn",
           "1 of these specifications ran in 2 other experiments, too: experiment 5 (deleted, 6 "
           "runs), experiment 3 (17 runs); a p");
    end(&s);
}

/* Arms of one specification are one: its runs elsewhere are counted once. */
static void test_arms_of_one_specification(void **state)
{
    (void)state;
    static const char *const cells[] = { "a", "b", "a" };
    struct study s;
    begin(&s, plain, 3, 2, no_grid);
    s.elsewhere = elsewhere;
    s.mean = mean_of;
    set_cells(&s, cells);
    expect(&s, "selection", "warn",
           "2 of these specifications ran in 3 other experiments, too: experiment 9 (purged, 4 "
           "runs), experiment 5 (deleted, 12 runs, ");
    assert_int_equal(count(&s, "selection", "cells_n"), 8); /* by arm */
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_others_are_named),
                                        cmocka_unit_test(test_arms_of_one_specification) };
    return cmocka_run_group_tests_name("fairness: selection", tests, NULL, NULL);
}
