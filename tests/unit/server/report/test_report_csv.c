/* The report as CSV: what was measured and what is claimed, in columns that need no parsing. */
#include "server/report/report_csv.h"
#include "tests/unit/server/studies.h"

/* The first line that begins so. */
static void assert_line(const char *text, const char *begins, const char *line)
{
    const char *at = strstr(text, begins);
    while (at != NULL && at != text && at[-1] != '\n')
        at = strstr(at + 1, begins);
    if (at == NULL)
        fail_msg("no line \"%s\" in\n%s", begins, text);
    size_t len = strcspn(at, "\r");
    if (strlen(line) != len || strncmp(at, line, len) != 0)
        fail_msg("\"%.*s\", not \"%s\"", (int)len, at, line);
}

/* Two lengths and two words; six seeds, in which dsa is better by 0.5. */
static void fill(struct study *s)
{
    static const char *const grids[] = { "{\"data.seq_len\":64,\"model.attention\":{\"kind\":"
                                         "\"dsa\",\"top_k\":8},\"train.optimizer\":"
                                         "\"adam\"}",
                                         "{\"data.seq_len\":128,\"model.attention\":{\"kind\":"
                                         "\"dsa\",\"top_k\":8},\"train.optimizer\":"
                                         "\"adam\"}" };
    begin(s, BY_LOSS);
    with_spec(s, "{\"data\":{\"dataset\":\"x\"},\"arms\":{\"dense\":{},\"dsa\":{}},\"grid\":{"
                 "\"data.seq_len\":[64,128],\"train.optimizer\":[\"adam\"],\"model.attention\":[{"
                 "\"kind\":\"dsa\",\"top_k\":8}]},\"compare\":" BY_LOSS "}");
    for (int64_t seed = 1; seed <= 6; seed++)
        for (int g = 0; g < 2; g++)
            for (int a = 0; a < 2; a++) {
                struct run_row *run =
                    add(s, a == 0 ? "dense" : "dsa", grids[g], seed, RUN_SUCCEEDED);
                double value = 2.5 - a * 0.5;
                final(run, "val/loss", value, value - 1, 9);
                final(run, "time/step_s", 0.5, 0.25, 0.25);
            }
}

static void test_rows(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    fill(&s);
    audited(&s, "causality", "dsa", s.runs[1].grid, "fail", "", "{}");
    json_t *r = report(&s);
    buf_init(&text, 0);
    report_csv(r, &text);
    assert_line(text.data, "data.",
                "data.seq_len,train.optimizer,model.attention,arm,valid,metric,n,mean,sd,best,last,"
                "clean");
#define ATTENTION "\"{\"\"kind\"\":\"\"dsa\"\",\"\"top_k\"\":8}\""
    assert_line(text.data, "64,adam," ATTENTION ",dense,",
                "64,adam," ATTENTION ",dense,,val/loss,6,2.5,0,1.5,2.5,");
    assert_line(text.data, "64,adam," ATTENTION ",dsa,",
                "64,adam," ATTENTION ",dsa,false,val/loss,6,2,0,1,2,");
    assert_line(text.data, "128,adam," ATTENTION ",dsa,,time",
                "128,adam," ATTENTION ",dsa,,time/step_s,6,0.25,0,0.25,0.25,true");
    buf_done(&text);
    json_decref(r);
}

static void test_claims(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    fill(&s);
    for (size_t i = 0; i < s.in.runs_n; i++) /* a mean of −0.5 still */
        if (strcmp(s.runs[i].arm, "dsa") == 0)
            s.runs[i].finals[0].value += (double)(2 * s.runs[i].seed - 7) / 128;
    json_t *r = report(&s);
    buf_init(&text, 0);
    report_csv_claims(r, &text);
    assert_line(text.data, "claim",
                "claim,data.seq_len,train.optimizer,model.attention,arm,baseline,metric,n,"
                "mean_difference,relative_difference,sd,ci95_low,ci95_high,ci90_low,ci90_high,p,"
                "p_adjusted,agree,needed_seeds,verdict,against,sentence");
    assert_line(
        text.data, "primary",
        "primary,,,,dsa,dense,val/loss,6,-0.5,-0.2,0.029231698334171417,-0.5390625,-0.4609375,-0.5234375,-0.4765625,0.03125,0.03125,6,70,"
        "better,,\"dsa is better than dense over L = 64, 128 and optimizer = \"\"adam\"\" and "
        "attention = {\"\"kind\"\":\"\"dsa\"\",\"\"top_k\"\":8}: val/loss Δ = −0.500 "
        "[−0.539, −0.461] (−20.0 %), n = 6, p = 0.031; better in 6 of 6 seeds.\"");
    assert_non_null(strstr(text.data, "\r\nsecondary,128,adam,"));
    assert_non_null(strstr(
        text.data,
        ",dsa,dense,val/loss,6,-0.5,-0.2,0.029231698334171417,-0.5390625,-0.4609375,-0.5234375,-0.4765625,"
        "0.03125,0.03125,6,70,better,,"));
    buf_done(&text);
    json_decref(r);
}

/* Each arm's own choice is a column; what isn't known is empty. */
static void test_claims_after_tuning(void **state)
{
    (void)state;
    static const char *const lr[] = { "{\"train.lr\":0.1}", "{\"train.lr\":0.2}" };
    struct study s;
    struct buf text;
    begin(&s, BY_LOSS);
    with_spec(&s, "{\"data\":{\"dataset\":\"x\"},\"arms\":{\"dense\":{},\"dsa\":{}},\"grid\":{"
                  "\"train.lr\":[0.1,0.2]},\"compare\":{\"metric\":\"val/loss\",\"baseline\":"
                  "\"dense\",\"tune\":[\"train.lr\"]}}");
    for (int a = 0; a < 2; a++)
        for (int g = 0; g < 2; g++) {
            struct run_row *run = add(&s, a == 0 ? "dense" : "dsa", lr[g], 1, RUN_SUCCEEDED);
            final(run, "val/loss", a == g ? 1 : 2, 1, 2);
            final(run, "test/loss", 4 + a, 0, 9);
        }
    json_t *r = report(&s);
    buf_init(&text, 0);
    report_csv_claims(r, &text);
    assert_non_null(strstr(text.data, "claim,arm,baseline,metric,"));
    assert_non_null(
        strstr(text.data, ",against,chosen.train.lr,baseline_chosen.train.lr,sentence\r\n"));
    assert_non_null(strstr(text.data, "\r\nprimary,dsa,dense,test/loss,1,1,0.25,,,,,,,,0,,"
                                      "undetermined,,,,"));
    assert_non_null(strstr(text.data, "\r\nsecondary,dsa,dense,test/loss,1,1,0.25,,,,,,,,0,,"
                                      "undetermined,,0.2,0.1,"));
    buf_done(&text);
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_claims_after_tuning),
    };
    return cmocka_run_group_tests_name("report_csv", tests, NULL, NULL);
}
