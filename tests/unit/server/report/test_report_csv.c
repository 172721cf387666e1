/* The report as CSV: what was measured and what is claimed, in columns that need no parsing. */
#include "server/report/report_csv.h"
#include "tests/unit/server/studies.h"

#include "server/report/claim_fields.h"

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
                "p_adjusted,agree,needed_seeds,verdict,against,sentence,median_difference,"
                "ci95_bootstrap_low,ci95_bootstrap_high,skewed,p_equivalent,adjusted_over,power,"
                "needed_seeds_low,needed_seeds_high,planned,lost,one_sided,cancelled,open,diverged,"
                "baseline_diverged,disturbed,pairs,margin,look,looks,level");
    assert_line(
        text.data, "primary",
        "primary,,,,dsa,dense,val/loss,6,-0.5,-0.2,0.029231698334171417,-0.5390625,-0.4609375,-0.5234375,-0.4765625,0.03125,0.03125,6,70,"
        "better,,\"dsa is better than dense over L = 64, 128 and optimizer = \"\"adam\"\" and "
        "attention = {\"\"kind\"\":\"\"dsa\"\",\"\"top_k\"\":8}: val/loss Δ = −0.500 "
        "[−0.539, −0.461] (−20.0 %), n = 6, p = 0.031; better in 6 of 6 seeds.\",-0.5,-0.5330207152419681,"
        "-0.47067652216736117,false,1,1,0.10583499590225563,33,295,6,0,0,0,0,0,0,0,6 of 6 pairs,0.01,,1,"
        "0.05");
    assert_non_null(strstr(text.data, "\r\nsecondary,128,adam,"));
    assert_non_null(strstr(
        text.data,
        ",dsa,dense,val/loss,6,-0.5,-0.2,0.029231698334171417,-0.5390625,-0.4609375,-0.5234375,-0.4765625,"
        "0.03125,0.03125,6,70,better,,"));
    buf_done(&text);
    json_decref(r);
}

static bool is_field(enum claim_home home, const char *key)
{
    static const char *const others[] = { "sentence", "pairs",  "differences",
                                          "grid",     "chosen", "baseline_chosen" };
    for (size_t i = 0; i < claim_fields_n; i++)
        if (claim_fields[i].home == home && strcmp(claim_fields[i].key, key) == 0)
            return true;
    for (size_t i = 0; home == CLAIM_ITSELF && i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], key) == 0)
            return true;
    return false;
}

/* What the JSON says of a claim the table of fields has, and the other way round: so the CSV has it. */
static void test_fields_are_those_of_the_json(void **state)
{
    (void)state;
    struct study s;
    fill(&s);
    json_t *r = report(&s), *claim = at(at(r, "comparisons"), "0"), *value;
    const char *key;
    for (size_t i = 0; i < claim_fields_n; i++)
        if (claim_fields[i].home != CLAIM_COMPARE && /* as it was submitted */
            claim_field_value(&claim_fields[i], r, claim) == NULL)
            fail_msg("no %s", claim_fields[i].key);
    json_object_foreach(claim, key, value) if (!is_field(CLAIM_ITSELF, key))
        fail_msg("%s isn't in the table", key);
    json_object_foreach(at(claim, "pairs"), key, value) if (!is_field(CLAIM_PAIRS, key))
        fail_msg("pairs.%s isn't in the table", key);
    json_decref(r);
}

/* Pairs that were lost, and a spread that isn't known: columns of their own, and empty ones. */
static void test_claims_that_lost_pairs(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s, "{\"metric\":\"val/loss\",\"baseline\":\"dense\",\"looks\":[2,4]}");
    for (int64_t seed = 1; seed <= 2; seed++) {
        final(add(&s, "dense", "{}", seed, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
        struct run_row *run = add(&s, "dsa", "{}", seed, seed == 1 ? RUN_FAILED : RUN_SUCCEEDED);
        final(run, "val/loss", NAN, 2, 2);
    }
    json_t *r = report(&s);
    buf_init(&text, 0);
    report_csv_claims(r, &text);
    assert_non_null(strstr(text.data,
                           ",inf,,,false,,0,,,,2,0,1,0,0,1,0,0,\"1 of 2 pairs, 1 lost by "
                           "one, 1 diverged (dsa)\",,"));
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
        strstr(text.data, ",against,chosen.train.lr,baseline_chosen.train.lr,sentence,median_"));
    assert_non_null(strstr(text.data, "\r\nprimary,dsa,dense,test/loss,1,1,0.25,,,,,,,,0,,"
                                      "undetermined,,,,"));
    assert_non_null(strstr(text.data, "\r\nsecondary,dsa,dense,test/loss,1,1,0.25,,,,,,,,0,,"
                                      "undetermined,,0.2,0.1,"));
    buf_done(&text);
    json_decref(r);
}

/* An arm that a spreadsheet would calculate has a ' before it, as in an export; numbers have none. */
static void test_texts_are_no_formulas(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s, "{\"metric\":\"val/loss\",\"baseline\":\"-dense\"}");
    final(add(&s, "-dense", "{}", 1, RUN_SUCCEEDED), "val/loss", NAN, 2, 2);
    final(add(&s, "=1+1", "{}", 1, RUN_SUCCEEDED), "val/loss", -2, -2, -2);
    json_t *r = report(&s);
    buf_init(&text, 0);
    report_csv(r, &text);
    assert_line(text.data, "'=1+1", "'=1+1,,val/loss,1,-2,,-2,-2,");
    assert_non_null(strstr(text.data, "\r\n'-dense,"));
    buf_clear(&text);
    report_csv_claims(r, &text);
    assert_non_null(strstr(text.data, "\r\nprimary,'=1+1,'-dense,val/loss,1,-inf,"));
    buf_done(&text);
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_fields_are_those_of_the_json),
        cmocka_unit_test(test_claims_that_lost_pairs),
        cmocka_unit_test(test_claims_after_tuning),
        cmocka_unit_test(test_texts_are_no_formulas),
    };
    return cmocka_run_group_tests_name("report_csv", tests, NULL, NULL);
}
