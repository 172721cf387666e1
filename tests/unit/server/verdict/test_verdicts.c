/* The verdicts that experiments are found by are those of the report, as long as nothing is open. */
#include "common/json/jsonx.h"
#include "server/report/report_stored.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/verdict/fairness/conclude.h"
#include "server/verdict/verdicts.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

enum { SEEDS = 6, RUNS = 3 * SEEDS };
static const char *const arms[] = { "dense", "dsa", "wide" };

/* As the daemon commits. */
static void commit(struct fixture_base *b)
{
    struct event_row *rows = NULL;
    size_t n = 0;
    bool left = false;
    struct err err;
    assert_ok(conclude_experiments(b->store, &err), err);
    assert_ok(verdicts_draw(b->store, &left, &err), err);
    assert_false(left);
    assert_ok(store_events_flush(b->store, &rows, &n, &err), err);
    for (size_t i = 0; i < n; i++)
        event_row_done(&rows[i]);
    free(rows);
    assert_ok(store_commit(b->store, &err), err);
    assert_ok(store_begin(b->store, &err), err);
}

/* Runs 1 to 18: three arms, six seeds. */
static int64_t submit(struct store *store)
{
    struct new_run runs[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        runs[i] = (struct new_run){
            .arm = arms[i % 3],
            .grid = "{}",
            .spec = "{\"data\":{\"dataset\":\"x\"},\"model\":{},\"train\":{},\"seed\":1}",
            .digest = "d",
            .seed = (int64_t)i / 3 + 1,
            .max_attempts = 1,
            .steps = 10
        };
    struct new_experiment experiment = fixture_plain(runs, RUNS);
    experiment.spec =
        "{\"arms\":{\"dense\":{},\"dsa\":{},\"wide\":{}},\"seeds\":[1,2,3,4,5,6],"
        "\"compare\":{\"baseline\":\"dense\",\"metric\":\"val/loss\",\"margin\":0.01}}";
    return fixture_add(store, &experiment);
}

/* From the beginning to the end; dsa is better by half, wide the same. */
static void train(struct store *store, int64_t run, int64_t attempt)
{
    struct claim claim;
    struct err err;
    size_t arm = (size_t)(run - 1) % 3;
    double seed = (double)((run - 1) / 3) / 64;
    assert_ok(store_run_claim(store, run, "t", &claim, &err), err);
    claim_done(&claim);
    assert_int_equal(fixture_event(store, run, attempt,
                                   "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},"
                                   "\"init\":{}}"),
                     0);
    assert_int_equal(fixture_event(store, run, attempt,
                                   "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"val/loss\"],"
                                   "\"rows\":[[10,%.17g]]}",
                                   arm == 1 ? 1.5 + 2 * seed : 2 + seed),
                     0);
    assert_int_equal(fixture_event(store, run, attempt,
                                   "{\"type\":\"finished\",\"seq\":3,\"step\":10,\"artifacts\":[],"
                                   "\"consumed_sha256\":\"c\",\"eval_sha256\":\"e\"}"),
                     0);
}

/* What is stored: "better: dsa better, wide equivalent". */
static const char *stored(struct store *store, int64_t experiment)
{
    static char text[200];
    char sql[400];
    sqlite3_stmt *s = NULL;
    snprintf(sql, sizeof sql,
             "SELECT ifnull(verdict, 'NULL') || ifnull((SELECT ': ' || group_concat(arm || ' ' || "
             "verdict, ', ') FROM verdicts v WHERE v.experiment = e.id), '') FROM experiments e "
             "WHERE id = %lld",
             (long long)experiment);
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return text;
}

/* The same of the report. */
static const char *reported(struct store *store, int64_t experiment)
{
    static char text[200];
    struct err err;
    json_t *report = NULL, *claim;
    size_t i;
    assert_ok(report_make(store, experiment, &report, &err), err);
    int n =
        snprintf(text, sizeof text, "%s",
                 json_string_value(json_object_get(json_object_get(report, "verdict"), "status")));
    json_array_foreach(json_object_get(report, "primary"), i, claim) n +=
        snprintf(text + n, sizeof text - (size_t)n, "%s%s %s", i == 0 ? ": " : ", ",
                 json_string_value(json_object_get(claim, "arm")),
                 json_string_value(json_object_get(claim, "verdict")));
    json_decref(report);
    return text;
}

/* What lists show of each arm is what the report says of it. */
static void assert_listed(struct store *store, int64_t experiment)
{
    struct experiment_row row;
    struct err err;
    json_t *report = NULL, *listed = NULL, *arm, *claim;
    const char *name;
    size_t i;
    assert_ok(store_experiment_get(store, experiment, &row, &err), err);
    assert_ok(jsonx_load(row.verdict, strlen(row.verdict), &listed, &err), err);
    experiment_row_done(&row);
    assert_ok(report_make(store, experiment, &report, &err), err);
    json_t *all = json_object_get(listed, "arms");
    assert_int_equal(json_object_size(all), json_object_size(json_object_get(report, "arms")));
    json_object_foreach(json_object_get(report, "arms"), name, arm)
    {
        json_t *mine = json_object_get(all, name);
        assert_true(json_equal(json_object_get(mine, "valid"), json_object_get(arm, "valid")));
        if (strcmp(name, arms[0]) == 0) {
            assert_true(json_is_null(json_object_get(mine, "verdict")));
            assert_true(json_is_null(json_object_get(mine, "relative_difference")));
        }
    }
    json_array_foreach(json_object_get(report, "primary"), i, claim)
    {
        json_t *mine = json_object_get(all, json_string_value(json_object_get(claim, "arm")));
        assert_true(
            json_equal(json_object_get(mine, "verdict"), json_object_get(claim, "verdict")));
        assert_true(fabs(json_number_value(json_object_get(mine, "relative_difference")) -
                         json_number_value(json_object_get(claim, "relative_difference"))) < 1e-12);
    }
    json_decref(listed);
    json_decref(report);
}

static void sql(struct fixture_base *b, const char *text)
{
    assert_int_equal(sqlite3_exec(b->store->db, text, NULL, NULL, NULL), SQLITE_OK);
}

static int64_t trained(struct fixture_base *b)
{
    int64_t id = submit(b->store);
    for (int64_t run = 1; run <= RUNS; run++) {
        commit(b);
        assert_string_equal(stored(b->store, id), "open");
        train(b->store, run, 1);
    }
    commit(b);
    assert_string_equal(stored(b->store, id), "invalid: dsa invalid, wide invalid");
    assert_string_equal(stored(b->store, id), reported(b->store, id));
    assert_listed(b->store, id);
    /* These runs were trained alike, and a verdict needs no more than that nothing speaks against it. */
    sql(b, "DELETE FROM audits");
    store_touch_audit(b->store, id, 0, 0);
    commit(b);
    return id;
}

static void test_those_of_the_report(void **state)
{
    (void)state;
    struct fixture_base *b = fixture_base_new(sizeof *b);
    int64_t id = trained(b);
    assert_string_equal(stored(b->store, id), reported(b->store, id));
    assert_string_equal(stored(b->store, id), "mixed: dsa better, wide equivalent");
    assert_listed(b->store, id);
    fixture_base_free(b);
}

/* What a verification finds much later. */
static void test_an_audit_changes_them(void **state)
{
    (void)state;
    struct fixture_base *b = fixture_base_new(sizeof *b);
    int64_t id = trained(b), audit = 0;
    sql(b, "INSERT INTO audits (experiment, run, arm, grid, name, status, detail, evidence, "
           "created_at) VALUES (1, 2, 'dsa', '{}', 'replay', 'fail', '', '{}', 1)");
    store_touch_audit(b->store, id, 2, audit);
    commit(b);
    assert_string_equal(stored(b->store, id), "mixed: dsa invalid, wide equivalent");
    assert_listed(b->store, id);
    assert_string_equal(stored(b->store, id), reported(b->store, id));
    fixture_base_free(b);
}

/* And when it ends anew its audits are made anew. */
static void test_open_again(void **state)
{
    (void)state;
    struct fixture_base *b = fixture_base_new(sizeof *b);
    struct err err;
    int64_t id = trained(b);
    sql(b, "UPDATE runs SET state = 'failed' WHERE id = 2");
    assert_ok(store_run_retry(b->store, 2, &err), err);
    commit(b);
    assert_string_equal(stored(b->store, id), "open");
    assert_ok(store_run_cancel(b->store, 2, &err), err);
    commit(b);
    assert_string_equal(stored(b->store, id), reported(b->store, id));
    assert_string_equal(stored(b->store, id), "invalid: dsa invalid, wide invalid");
    fixture_base_free(b);
}

static void test_nothing_to_compare(void **state)
{
    (void)state;
    struct fixture_base *b = fixture_base_new(sizeof *b);
    struct err err;
    struct new_run run = { .arm = "dense",
                           .grid = "{}",
                           .spec = "{}",
                           .digest = "d",
                           .seed = 1,
                           .max_attempts = 1,
                           .steps = 10 };
    struct new_experiment experiment = fixture_plain(&run, 1);
    experiment.spec = "{\"arms\":{\"dense\":{}},\"compare\":{\"baseline\":\"dense\"}}";
    int64_t id = fixture_add(b->store, &experiment);
    assert_ok(store_run_cancel(b->store, 1, &err), err);
    commit(b);
    assert_string_equal(stored(b->store, id), "none");
    fixture_base_free(b);
}

/* Draws one that lacks them, as a reader and the writer do; `meanwhile` comes between the two. Which
 * experiment it was. */
static int64_t draw_another(struct fixture_base *b, const char *meanwhile)
{
    struct verdicts verdicts;
    struct err err;
    assert_ok(verdicts_read(b->store, &verdicts, &err), err);
    sql(b, meanwhile);
    if (verdicts.of.experiment != 0)
        assert_ok(verdicts_put(b->store, &verdicts, &err), err);
    int64_t id = verdicts.of.experiment;
    verdicts_done(&verdicts);
    return id;
}

/* As a migration leaves them; and as a purge does. */
static void test_those_that_lack_them(void **state)
{
    (void)state;
    struct fixture_base *b = fixture_base_new(sizeof *b);
    int64_t id = trained(b);
    sql(b, "UPDATE experiments SET verdict = NULL; DELETE FROM verdicts");
    assert_int_equal(draw_another(b, ""), id);
    assert_string_equal(stored(b->store, id), "mixed: dsa better, wide equivalent");
    assert_int_equal(draw_another(b, ""), 0);
    sql(b,
        "INSERT INTO experiments (id, name, spec, metric, goal, runs_n, created_at) VALUES (99, "
        "'', '{}', '', 'min', 0, 1); INSERT INTO verdicts (experiment, arm, verdict) VALUES (99, "
        "'dsa', 'better'); "
        "DELETE FROM experiments WHERE id = 99");
    sqlite3_stmt *s = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(b->store->db, "SELECT count(*) FROM verdicts", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(s, 0), 3);
    sqlite3_finalize(s);
    fixture_base_free(b);
}

/* More runs than a transaction should wait for: they are drawn beside it, of what is still so. */
static void test_many_runs(void **state)
{
    (void)state;
    struct fixture_base *b = fixture_base_new(sizeof *b);
    struct err err;
    bool left = false;
    int64_t id = trained(b);
    sql(b, "UPDATE experiments SET runs_n = 101");
    store_touch_audit(b->store, id, 0, 1);
    assert_ok(verdicts_draw(b->store, &left, &err), err);
    assert_true(left);
    assert_string_equal(stored(b->store, id), "NULL");
    assert_int_equal(
        draw_another(b, "UPDATE experiments SET verdict_due = verdict_due + 1 WHERE id = 1"), id);
    assert_string_equal(stored(b->store, id), "NULL");
    assert_int_equal(draw_another(b, "UPDATE experiments SET verdict = 'open' WHERE id = 1"), id);
    assert_string_equal(stored(b->store, id), "open");
    sql(b, "UPDATE experiments SET verdict = NULL");
    assert_int_equal(draw_another(b, ""), id);
    assert_string_equal(stored(b->store, id), "mixed: dsa better, wide equivalent");
    fixture_base_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_of_the_report),  cmocka_unit_test(test_an_audit_changes_them),
        cmocka_unit_test(test_open_again),           cmocka_unit_test(test_nothing_to_compare),
        cmocka_unit_test(test_those_that_lack_them), cmocka_unit_test(test_many_runs),
    };
    return cmocka_run_group_tests_name("verdicts", tests, NULL, NULL);
}
