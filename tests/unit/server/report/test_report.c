/* Reports over rows made here: figures by hand, pairs by seed, three formats of one content. */
#include "server/report/report_md.h"
#include "tests/unit/server/studies.h"

/* Two seeds: dense 2.0, 3.0; dsa 1.5, 3.25. */
static void fill_pair(struct study *s)
{
    static const double losses[2][2] = { { 2, 3 }, { 1.5, 3.25 } };
    static const char *const arms[] = { "dense", "dsa" };
    for (int64_t seed = 1; seed <= 2; seed++)
        for (int a = 0; a < 2; a++) {
            struct run_row *run = add(s, arms[a], "{}", seed, RUN_SUCCEEDED);
            final(run, "val/loss", losses[a][seed - 1], losses[a][seed - 1] - 1, 9);
            final(run, "time/step_s", 0.5, 0.1, 0.3);
        }
}

static void test_table(void **state)
{
    (void)state;
    struct study s;
    begin(&s, BY_LOSS);
    fill_pair(&s);
    json_t *r = report(&s), *row = at(at(r, "table"), "1"),
           *loss = at(at(row, "metrics"), "val/loss");
    assert_int_equal(json_array_size(at(r, "table")), 2);
    assert_string_equal(json_string_value(at(row, "arm")), "dsa");
    assert_int_equal(json_integer_value(at(row, "n")), 2);
    assert_number(at(loss, "mean"), 2.375);
    assert_number(at(loss, "sd"), 1.75 / sqrt(2));
    assert_number(at(loss, "best"), 0.5);
    assert_number(at(loss, "last"), 2.375);
    /* a clock counts by its mean over steps, not by its last value */
    assert_number(at(at(at(row, "metrics"), "time/step_s"), "mean"), 0.2);

    json_t *c = at(at(r, "comparisons"), "0");
    assert_number(at(c, "mean_difference"), -0.125);
    assert_number(at(c, "relative_difference"), -0.125 / 2.5);
    assert_int_equal(json_integer_value(at(c, "n")), 2);
    assert_int_equal(json_integer_value(at(c, "agree")), 1);
    assert_string_equal(json_string_value(at(c, "verdict")), "undetermined");
    assert_true(json_is_null(at(c, "p")) && json_is_null(at(c, "ci95")));
    assert_verdict(r, "undetermined",
                   "No claim about dsa against dense at L = 128: val/loss Δ = −0.12, n = 2, and "
                   "fewer than 6 seeds can't reach 5 %");
    json_decref(r);
}

static void test_best_and_max(void **state)
{
    (void)state;
    struct study s;
    begin(&s,
          "{\"metric\":\"dsa/recall\",\"goal\":\"max\",\"at\":\"best\",\"baseline\":\"dense\"}");
    final(add(&s, "dense", "{}", 1, RUN_SUCCEEDED), "dsa/recall", 0.2, 0.1, 0.5);
    final(add(&s, "dsa", "{}", 1, RUN_SUCCEEDED), "dsa/recall", 0.3, 0.1, 0.75);
    json_t *r = report(&s), *recall = at(at(at(at(r, "table"), "1"), "metrics"), "dsa/recall");
    assert_number(at(recall, "mean"), 0.75); /* `at` best: what is compared */
    assert_number(at(recall, "last"), 0.3);
    assert_number(at(recall, "best"), 0.75);
    assert_true(json_is_null(at(recall, "sd")));
    json_t *c = at(at(r, "comparisons"), "0");
    assert_number(at(c, "mean_difference"), 0.25);
    assert_int_equal(json_integer_value(at(c, "agree")), 1);
    struct buf text;
    buf_init(&text, 0);
    report_markdown(r, &text);
    assert_non_null(strstr(text.data, "| dsa/recall | Δ dsa/recall |"));
    assert_non_null(strstr(text.data, "| 75.00 % | +25.00 points |"));
    buf_done(&text);
    json_decref(r);
}

/* Only seeds that succeeded in both arms make a pair, whatever order they come in. */
static void test_pairs(void **state)
{
    (void)state;
    struct study s;
    begin(&s, BY_LOSS);
    final(add(&s, "dense", "{}", 3, RUN_SUCCEEDED), "val/loss", 1, 1, 1);
    final(add(&s, "dense", "{}", 1, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
    final(add(&s, "dense", "{}", 2, RUN_FAILED), "val/loss", 50, 50, 50);
    final(add(&s, "dsa", "{}", 2, RUN_SUCCEEDED), "val/loss", 70, 70, 70);
    final(add(&s, "dsa", "{}", 1, RUN_SUCCEEDED), "val/loss", 2.5, 2.5, 2.5);
    final(add(&s, "dsa", "{}", 3, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
    add(&s, "dsa", "{}", 4, RUN_CANCELLED);
    final(add(&s, "dsa", "{}", 5, RUN_SUCCEEDED), "val/loss", 9, 9, 9);
    json_t *r = report(&s), *c = at(at(r, "comparisons"), "0");
    assert_int_equal(json_integer_value(at(c, "n")), 2);
    assert_number(at(c, "mean_difference"), 0.75);
    assert_int_equal(json_integer_value(at(c, "agree")), 0);
    assert_int_equal(json_integer_value(at(at(at(r, "table"), "0"), "n")), 2);
    json_decref(r);
}

static void test_grid(void **state)
{
    (void)state;
    static const char *const grids[] = { "{\"data.seq_len\":64}", "{\"data.seq_len\":128}" };
    struct study s;
    begin(&s, BY_LOSS);
    for (int g = 0; g < 2; g++) {
        final(add(&s, "dsa", grids[g], 1, RUN_SUCCEEDED), "val/loss", 5 + g, 1, 9);
        final(add(&s, "dense", grids[g], 1, RUN_SUCCEEDED), "val/loss", 4 - g, 1, 9);
        final(add(&s, "window", grids[g], 1, RUN_SUCCEEDED), "val/loss", 4, 1, 9);
    }
    /* steps come by run; grid points and arms are told apart, and a missing value leaves a gap */
    for (int64_t i = 0; i < 6; i++)
        for (int64_t step = 10; step <= (i == 2 ? 10 : 20); step += 10)
            s.curves[s.curves_n++] = (struct curve_point){ 10 + i, step, (double)(i * 100 + step) };
    json_t *r = report(&s), *list = at(r, "comparisons");
    static const struct {
        const char *arm;
        double difference;
    } want[] = { { "dsa", 1 }, { "window", 0 }, { "dsa", 3 }, { "window", 1 } };
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) {
        json_t *c = json_array_get(list, i);
        assert_string_equal(json_string_value(at(c, "arm")), want[i].arm);
        assert_number(at(c, "mean_difference"), want[i].difference);
    }
    json_t *first = at(at(at(r, "dynamics"), "0"), "steps");
    json_t *second = at(at(at(r, "dynamics"), "1"), "steps");
    assert_int_equal(json_array_size(first), 2);
    assert_int_equal(json_array_size(second), 2);
    json_t *arms = at(at(first, "1"), "arms");
    assert_number(at(at(arms, "dense"), "mean"), 120);
    assert_null(json_object_get(arms, "window"));
    assert_number(at(at(at(at(second, "0"), "arms"), "window"), "mean"), 510);
    struct buf text;
    buf_init(&text, 0);
    report_markdown(r, &text);
    assert_non_null(
        strstr(text.data, "| seq_len 128 | dsa | 1 | 6.0000 | – | – | – | +3.0000 (+100.0 %) |"));
    assert_non_null(
        strstr(text.data, "| seq_len 64 | dense | 1 | 4.0000 | – | – | – | baseline |"));
    assert_non_null(strstr(text.data, "| 20 | 20.0000 | 120.0000 | – |"));
    buf_done(&text);
    json_decref(r);
}

/* Runs that haven't ended, or never measured anything, and losses that aren't numbers. */
static void test_open_and_nan(void **state)
{
    (void)state;
    struct study s;
    begin(&s, BY_LOSS);
    final(add(&s, "dense", "{}", 1, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
    final(add(&s, "dsa", "{}", 1, RUN_RUNNING), "val/loss", 1, 1, 1);
    json_t *r = report(&s), *c = at(at(r, "comparisons"), "0");
    assert_int_equal(json_integer_value(at(c, "n")), 0);
    assert_true(json_is_null(at(c, "mean_difference")));
    assert_verdict(r, "open", "1 of 2 runs have ended; nothing is claimed before all have.");
    json_decref(r);

    begin(&s, BY_LOSS);
    final(add(&s, "dense", "{}", 1, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
    final(add(&s, "dsa", "{}", 1, RUN_SUCCEEDED), "val/loss", NAN, 1, 3);
    r = report(&s);
    c = at(at(r, "comparisons"), "0");
    assert_string_equal(json_string_value(at(c, "mean_difference")), "inf"); /* it ranks worst */
    assert_int_equal(json_integer_value(at(c, "agree")), 0);
    json_decref(r);

    begin(&s, BY_LOSS);
    add(&s, "dense", "{}", 1, RUN_CANCELLED);
    r = report(&s);
    assert_verdict(r, "none", "There is nothing to compare");
    json_decref(r);

    begin(&s, BY_LOSS); /* no runs at all */
    r = report(&s);
    assert_int_equal(json_array_size(at(r, "table")), 0);
    json_decref(r);
}

static void test_formats(void **state)
{
    (void)state;
    static const char *const details[] = { "fine", "fine", "a | b\nc" };
    struct study s;
    begin(&s, BY_LOSS);
    fill_pair(&s);
    for (size_t i = 0; i < 3; i++)
        audited(&s, "finite", "dsa", "{}", i == 2 ? "warn" : "pass", details[i], "{}");
    json_t *r = report(&s), *again = report(&s);
    struct buf a, b;
    buf_init(&a, 0);
    buf_init(&b, 0);
    report_markdown(r, &a);
    report_markdown(again, &b);
    assert_string_equal(a.data, b.data);
    assert_true(json_equal(r, again));
    assert_non_null(strstr(a.data, "# study\n"));
    assert_non_null(strstr(a.data, "4 runs: 4 succeeded.\n"));
    assert_non_null(strstr(a.data,
                           "| all | dsa | 2 | 2.3750 ± 1.2374 | – | – | 0.2000 ± 0.0000 | -0.1250 "
                           "(-5.0 %) |\n"));
    /* three findings, the worst of them shown; one that hasn't spoken isn't left out */
    assert_non_null(strstr(a.data, "| dsa | finite | warn | a \\| b c | 3 | No metric was NaN"));
    assert_non_null(
        strstr(a.data, "| dsa | causality | missing | has not run | 0 | No prediction"));
    assert_non_null(strstr(a.data, "| all | shared_init | missing | has not run | 0 |"));
    assert_non_null(strstr(a.data, "### What to do\n\n* `finite` of dsa: Lower train.lr"));
    assert_null(strstr(a.data, "`causality`"));
    buf_done(&a);
    buf_done(&b);
    json_decref(r);
    json_decref(again);
}

/* 40 % and 43.1 %: 3.1 points, nowhere per cent of per cent. */
static void test_accuracy_in_points(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s,
          "{\"metric\":\"val/accuracy\",\"goal\":\"max\",\"baseline\":\"dense\",\"margin\":0.01}");
    for (int64_t seed = 1; seed <= 6; seed++) {
        double more = (double)seed / 1000;
        final(add(&s, "dense", "{}", seed, RUN_SUCCEEDED), "val/accuracy", 0.4, 0.4, 0.4);
        final(add(&s, "dsa", "{}", seed, RUN_SUCCEEDED), "val/accuracy", 0.4275 + more, 0.4, 0.5);
    }
    json_t *r = report(&s);
    assert_verdict(r, "better",
                   "dsa is better than dense at L = 128: val/accuracy Δ = +3.10 points [2.85, "
                   "3.35], n = 6, p = 0.031; better in 6 of 6 seeds.");
    assert_text(at(at(r, "would_change"), "0"), "with a margin of 3.3 points or more");
    assert_number(at(at(at(r, "comparisons"), "0"), "mean_difference"), 0.031);
    buf_init(&text, 0);
    report_markdown(r, &text);
    assert_non_null(strstr(text.data, "| s/step | Δ val/accuracy |\n"));
    assert_non_null(strstr(text.data, "| 43.10 ± 0.19 % | – | – | +3.10 points |\n"));
    assert_non_null(strstr(text.data, "| Δ val/accuracy, points | 95 % interval |"));
    assert_non_null(
        strstr(text.data, "| all | dsa | 6 | +3.10 | +2.85 … +3.35 | 0.0312 | 6 | better |"));
    assert_non_null(
        strstr(text.data, "\n### Claims in full\n\n| where | arm | in % | sd | 90 % interval"));
    assert_non_null(strstr(
        text.data, "| all | dsa | – | 0.19 | +2.95 … +3.25 | 0.0312 | +3.10 | +2.89 … +3.29 | no | "
                   "1.0000 | 1 | 1.0000 | 6 … 6 | 6 of 6 pairs | 1.00 | – | 1 | 0.0500 |\n"));
    buf_done(&text);
    json_decref(r);
}

/* What somebody has named has no meaning in Markdown, in a table or out of it. */
static void test_names(void **state)
{
    (void)state;
    static const double losses[] = { 0.5, 0.25 };
    struct study s;
    struct buf text;
    begin(&s, BY_LOSS);
    for (int64_t seed = 1; seed <= 2; seed++) {
        final(add(&s, "dense", "{}", seed, RUN_SUCCEEDED), "val/loss", losses[seed - 1], 0, 1);
        final(add(&s, "a|*b*<i>`密`", "{}", seed, RUN_SUCCEEDED), "val/loss", 0.125, 0, 1);
    }
    json_t *r = report(&s);
    buf_init(&text, 0);
    report_markdown(r, &text);
    assert_non_null(strstr(text.data, "| all | a\\|\\*b\\*\\<i>\\`密\\` | 2 |"));
    assert_null(strstr(text.data, "|*b"));
    assert_null(strstr(text.data, "*<i>"));
    buf_done(&text);
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_best_and_max),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_open_and_nan),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_accuracy_in_points),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
