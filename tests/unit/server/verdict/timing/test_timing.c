/* Times in the report: marked where something disturbed them, and then nothing is claimed by them.
 */
#include "server/report/report_csv.h"
#include "server/report/report_md.h"
#include "tests/unit/server/studies.h"

#define BY_TIME                                                                                    \
    "{\"metric\":\"time/"                                                                          \
    "step_s\",\"goal\":\"min\",\"at\":\"last\",\"baseline\":\"dense\",\"margin\":0.001}"

static const char *const grids[] = { "{\"data.seq_len\":64}", "{\"data.seq_len\":128}" };

/* Six seeds, two grid points; dsa's steps take 0.2 s, within some microseconds, dense's 0.1 s on
 * average. */
static void fill(struct study *s)
{
    for (int64_t seed = 1; seed <= 6; seed++)
        for (int g = 0; g < 2; g++) {
            final(add(s, "dense", grids[g], seed, RUN_SUCCEEDED), "time/step_s", 5, 0.05, 0.15);
            final(add(s, "dsa", grids[g], seed, RUN_SUCCEEDED), "time/step_s", 5, 0.1,
                  0.3 + (double)(2 * seed - 7) / (1 << 20));
        }
}

static json_t *timing_at(json_t *r, const char *row)
{
    return at(at(at(r, "table"), row), "timing");
}

static void expect_reason(json_t *timing, const char *reason, const char *detail)
{
    json_t *one = at(at(timing, "reasons"), "0");
    assert_true(json_is_false(at(timing, "clean")));
    assert_int_equal(json_array_size(at(timing, "reasons")), 1);
    assert_string_equal(json_string_value(at(one, "reason")), reason);
    assert_text(at(one, "detail"), detail);
}

static void test_clean(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s, BY_TIME);
    fill(&s);
    s.timings[0].shared_ms = 10; /* of 1000: still nothing */
    s.timings[1].steal_share = 0.01;
    s.timings[2].other_cores = 0.1;
    json_t *r = report(&s);
    for (int i = 0; i < 4; i++) {
        char row[] = { (char)('0' + i), '\0' };
        assert_true(json_is_true(at(timing_at(r, row), "clean")));
        assert_int_equal(json_array_size(at(timing_at(r, row), "reasons")), 0);
    }
    /* means over steps are compared, not the last step's times, which are equal */
    assert_verdict(r, "worse", "dsa is worse than dense");
    assert_number(at(at(at(r, "primary"), "0"), "mean_difference"), 0.1);
    assert_number(at(at(at(at(r, "primary"), "0"), "pairs"), "disturbed"), 0);
    buf_init(&text, 0);
    report_markdown(r, &text);
    assert_null(strstr(text.data, "†"));
    buf_done(&text);
    buf_init(&text, 0);
    report_csv(r, &text);
    assert_non_null(strstr(text.data, "\ndsa,,time/step_s,6,0.2"));
    buf_done(&text);
    json_decref(r);
}

static void test_disturbed(void **state)
{
    (void)state;
    static const struct {
        struct timing_row row;
        const char *reason, *detail, *words;
    } cases[] = {
        { { .ms = 1000, .told_ms = 1000, .shared_ms = 500, .other_cores = 1 },
          "another_run",
          "1 of 6 runs shared the machine with another, up to 50 % of their time",
          "while another run shared the machine" },
        { { .ms = 1000, .told_ms = 1000, .steal_share = 0.02 },
          "steal",
          "in 1 of 6 runs the machine's host took time, up to 2 %",
          "while the machine's host took more than 1 % of its time" },
        { { .ms = 1000, .told_ms = 1000, .other_cores = 0.5 },
          "other_load",
          "beside 1 of 6 runs other programs were busy, up to 50 % of a core",
          "while other programs kept more than 0.1 cores busy" },
        { { .ms = 1000, .told_ms = 400 },
          "unknown",
          "for 1 of 6 runs it isn't known what else the machine did, up to 60 %",
          "without a record of what else the machine did" },
        { { .ms = 1000, .told_ms = 1000, .elsewhere = true },
          "environment",
          "1 of 6 runs were trained in another environment than the experiment's first",
          "in another environment than the first run's" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct study s;
        struct buf text;
        char sentence[200];
        begin(&s, BY_TIME);
        fill(&s);
        s.timings[2] = cases[i].row; /* dense at 128, seed 1 */
        s.timings[2].run = s.runs[2].id;
        json_t *r = report(&s), *point = at(at(r, "comparisons"), "1");
        expect_reason(timing_at(r, "2"), cases[i].reason, cases[i].detail);
        assert_true(json_is_true(at(timing_at(r, "0"), "clean")));
        snprintf(sentence, sizeof sentence, "Times of dense at L = 128 were taken %s.",
                 cases[i].words);
        assert_text(at(at(r, "remarks"), "0"), sentence);
        snprintf(sentence, sizeof sentence, "times of 1 pair were taken %s.", cases[i].words);
        assert_verdict(r, "undetermined", sentence);
        assert_string_equal(json_string_value(at(point, "verdict")), "undetermined");
        assert_number(at(at(point, "pairs"), "disturbed"), 1);
        assert_string_equal(json_string_value(at(at(at(r, "comparisons"), "0"), "verdict")),
                            "worse"); /* at L = 64 nothing happened */
        assert_text(at(at(r, "would_change"), "0"), "exclusive");
        buf_init(&text, 0);
        report_markdown(r, &text);
        assert_non_null(strstr(text.data, "| seq_len 128 | dense | 6 | – | – | – | 0.1000 ± 0.0000 "
                                          "† | baseline |"));
        assert_non_null(strstr(text.data, "| dsa | 6 | – | – | – | 0.2000 ± 0.0000 |"));
        assert_non_null(strstr(text.data, "\n† Something else used the machine meanwhile"));
        buf_done(&text);
        json_decref(r);
    }
}

/* Losses are claimed about whatever happened to the clocks; a run without a record is no clean one.
 */
static void test_other_metrics(void **state)
{
    (void)state;
    struct study s;
    begin(&s, BY_LOSS);
    for (int64_t seed = 1; seed <= 6; seed++) {
        final(add(&s, "dense", "{}", seed, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
        final(add(&s, "dsa", "{}", seed, RUN_SUCCEEDED), "val/loss", 1 + (double)seed / 1000, 1, 1);
        s.timings[2 * seed - 2].run = s.timings[2 * seed - 1].run = 0;
    }
    add(&s, "late", "{}", 1, RUN_FAILED);
    s.timings[12].run = 0;
    json_t *r = report(&s);
    assert_verdict(r, "mixed", "dsa is better than dense");
    expect_reason(timing_at(r, "0"), "unknown", "for 6 of 6 runs");
    assert_true(json_is_null(timing_at(r, "2")));
    assert_text(at(at(r, "remarks"), "1"),
                "The times of all arms were taken without a record of what else the machine did.");
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_disturbed),
        cmocka_unit_test(test_other_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
