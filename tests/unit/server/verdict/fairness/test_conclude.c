/* An experiment's end: findings are stored with it, told once, and replaced when it ends anew. */
#include "server/store/curves/store_digests.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/verdict/fairness/conclude.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

struct base {
    struct fixture_base base;
    int64_t told_audits, told_experiments; /* events of the last commit */
};

/* As the daemon commits; counts what is told. */
static void commit(struct base *b)
{
    struct event_row *rows = NULL;
    size_t n = 0;
    struct err err;
    assert_ok(conclude_experiments(b->base.store, &err), err);
    assert_ok(store_events_flush(b->base.store, &rows, &n, &err), err);
    b->told_audits = b->told_experiments = 0;
    for (size_t i = 0; i < n; i++) {
        b->told_audits += rows[i].kind == EVENT_AUDIT;
        b->told_experiments += rows[i].kind == EVENT_EXPERIMENT;
        event_row_done(&rows[i]);
    }
    free(rows);
    assert_ok(store_commit(b->base.store, &err), err);
    assert_ok(store_begin(b->base.store, &err), err);
}

/* Runs 1 to 4: dense and dsa, seeds 1 and 2. */
static int64_t submit(struct store *store)
{
    static const char *const specs[] = {
        "{\"data\":{\"dataset\":\"x\"},\"model\":{},\"train\":{},\"seed\":1}",
        "{\"data\":{\"dataset\":\"x\"},\"model\":{\"attention\":{\"kind\":\"dsa\"}},\"train\":{},"
        "\"seed\":1}"
    };
    struct new_run runs[4];
    for (size_t i = 0; i < 4; i++)
        runs[i] = (struct new_run){ .arm = i % 2 == 0 ? "dense" : "dsa",
                                    .grid = "{\"data.seq_len\":64}",
                                    .spec = specs[i % 2],
                                    .digest = "d",
                                    .seed = (int64_t)i / 2 + 1,
                                    .max_attempts = 1,
                                    .steps = 10 };
    struct new_experiment experiment = fixture_plain(runs, 4);
    experiment.spec = "{\"arms\":{\"dense\":{},\"dsa\":{}},\"seeds\":[1,2],\"compare\":"
                      "{\"baseline\":\"dense\"}}";
    return fixture_add(store, &experiment);
}

static bool claim(struct store *store, int64_t run, int64_t attempt)
{
    struct claim claim;
    struct err err;
    assert_ok(store_run_claim(store, run, "t", &claim, &err), err);
    assert_int_equal(claim.attempt, attempt);
    bool audits = claim.audits;
    claim_done(&claim);
    return audits;
}

/* From the beginning to the end, with these initial weights. */
static void train(struct store *store, int64_t run, int64_t attempt, const char *weights)
{
    claim(store, run, attempt);
    assert_int_equal(fixture_event(store, run, attempt,
                                   "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},"
                                   "\"init\":{\"w\":\"4:%s\"}}",
                                   weights),
                     0);
    assert_int_equal(fixture_event(store, run, attempt,
                                   "{\"type\":\"finished\",\"seq\":2,\"step\":10,\"artifacts\":[],"
                                   "\"consumed_sha256\":\"c\",\"eval_sha256\":\"e\"}"),
                     0);
}

/* The status of the daemon's finding, "" = there is none; *ret_id (may be NULL): its row. */
static const char *found(struct store *store, int64_t experiment, const char *name, const char *arm,
                         int64_t *ret_id)
{
    static char status[16];
    struct audit_row *rows = NULL;
    size_t n = 0, matches = 0;
    struct err err;
    status[0] = '\0';
    assert_ok(store_audit_list(store, experiment, &rows, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        bool whose = arm == NULL ? rows[i].arm == NULL
                                 : rows[i].arm != NULL && strcmp(rows[i].arm, arm) == 0;
        if (rows[i].run == 0 && strcmp(rows[i].name, name) == 0 && whose) {
            snprintf(status, sizeof status, "%s", rows[i].status);
            matches++;
            if (ret_id != NULL)
                *ret_id = rows[i].id;
        }
        audit_row_done(&rows[i]);
    }
    free(rows);
    assert_true(matches <= 1);
    return status;
}

static void test_findings_come_with_the_end(void **state)
{
    (void)state;
    static const char *const names[] = { "shared_init", "same_batches", "learned",
                                         "budget",      "tuning",       "power" };
    struct base *b = fixture_base_new(sizeof(struct base));
    int64_t id = submit(b->base.store), row = 0;
    for (int64_t run = 1; run <= 4; run++) {
        assert_string_equal(found(b->base.store, id, "power", NULL, NULL), "");
        train(b->base.store, run, 1, "aa");
        commit(b);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_not_equal(found(b->base.store, id, names[i], NULL, &row), "");
    assert_string_equal(found(b->base.store, id, "shared_init", NULL, NULL), "pass");
    assert_string_equal(found(b->base.store, id, "same_batches", NULL, NULL), "pass");
    assert_int_equal(b->told_audits, 8 + 4 + 17); /* and seventeen that nobody made */
    assert_int_equal(b->told_experiments, 1);

    store_touch_run(b->base.store, id, 1); /* nothing new: nothing is told */
    commit(b);
    assert_int_equal(b->told_audits, 0);
    assert_int_equal(b->told_experiments, 0);
    struct err err;
    assert_ok(store_experiment_patch(b->base.store, id, "renamed", NULL, NULL, &err), err);
    commit(b);
    assert_int_equal(b->told_audits, 0);
    fixture_base_free(b);
}

static size_t ended_now(struct store *store)
{
    int64_t *ids = NULL;
    size_t n = 0;
    struct err err;
    assert_ok(store_ended_now(store, &ids, &n, &err), err);
    free(ids);
    return n;
}

/* Of an experiment that has ended long ago nothing is computed anew by a verification. */
static void test_only_an_end_concludes(void **state)
{
    (void)state;
    struct base *b = fixture_base_new(sizeof(struct base));
    struct claim claim;
    struct err err;
    submit(b->base.store);
    for (int64_t run = 1; run <= 3; run++)
        train(b->base.store, run, 1, "aa");
    assert_int_equal(ended_now(b->base.store), 0);
    assert_ok(store_run_cancel(b->base.store, 4, &err), err);
    assert_int_equal(ended_now(b->base.store), 1);
    commit(b);
    assert_int_equal(ended_now(b->base.store), 0);
    assert_int_equal(sqlite3_exec(b->base.store->db, "UPDATE runs SET step = 10", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_ok(store_run_verify(b->base.store, 1, &err), err);
    assert_ok(store_verify_claim(b->base.store, 1, "t", &claim, &err), err);
    claim_done(&claim);
    assert_ok(store_attempt_end(b->base.store, 1, 2, RUN_SUCCEEDED, "finished", "", &err), err);
    assert_int_equal(ended_now(b->base.store), 0);
    assert_ok(store_run_retry(b->base.store, 4, &err), err);
    train(b->base.store, 4, 1, "aa");
    assert_int_equal(ended_now(b->base.store), 1);
    fixture_base_free(b);
}

static void test_another_end_replaces_them(void **state)
{
    (void)state;
    struct base *b = fixture_base_new(sizeof(struct base));
    struct err err;
    int64_t id = submit(b->base.store), before = 0, after = 0;
    for (int64_t run = 1; run <= 3; run++)
        train(b->base.store, run, 1, "aa");
    assert_ok(store_run_cancel(b->base.store, 4, &err), err);
    commit(b);
    assert_string_equal(found(b->base.store, id, "shared_init", NULL, &before), "pass");
    assert_ok(store_run_retry(b->base.store, 4, &err), err);
    commit(b);
    assert_int_equal(b->told_audits, 0); /* it hasn't ended */
    train(b->base.store, 4, 1, "bb");
    commit(b);
    assert_string_equal(found(b->base.store, id, "shared_init", NULL, &after), "fail");
    assert_int_equal(before, after); /* in its place, not piled up */
    assert_true(b->told_audits > 0);
    fixture_base_free(b);
}

static void test_what_the_first_seed_owes(void **state)
{
    (void)state;
    struct base *b = fixture_base_new(sizeof(struct base));
    struct err err;
    int64_t id = submit(b->base.store), causality = 0;
    assert_true(claim(b->base.store, 2, 1)); /* dsa's first seed */
    assert_ok(store_run_cancel(b->base.store, 2, &err), err);
    assert_ok(store_attempt_end(b->base.store, 2, 1, RUN_CANCELLED, "stopped", "cancelled", &err),
              err);
    train(b->base.store, 1, 1, "aa");
    train(b->base.store, 3, 1, "aa");
    assert_true(claim(b->base.store, 4, 1)); /* steps in for run 2 */
    assert_ok(store_attempt_end(b->base.store, 4, 1, RUN_FAILED, "failed", "x", &err), err);
    commit(b);
    assert_string_equal(found(b->base.store, id, "causality", "dsa", &causality), "skipped");
    assert_string_equal(found(b->base.store, id, "indexer_learns", "dsa", NULL), "skipped");

    /* Tried again, it makes them: the gaps go, and only those. */
    assert_ok(store_run_retry(b->base.store, 2, &err), err);
    assert_true(claim(b->base.store, 2, 2));
    assert_int_equal(fixture_event(b->base.store, 2, 2,
                                   "{\"type\":\"audit\",\"seq\":1,\"name\":\"causality\","
                                   "\"status\":\"pass\",\"detail\":\"\",\"evidence\":{}}"),
                     0);
    assert_ok(store_attempt_end(b->base.store, 2, 2, RUN_FAILED, "failed", "x", &err), err);
    commit(b);
    assert_string_equal(found(b->base.store, id, "causality", "dsa", NULL), "");
    assert_ok(store_run_retry(b->base.store, 4, &err), err);
    assert_false(claim(b->base.store, 4, 2)); /* run 2 has spoken */
    assert_ok(store_attempt_end(b->base.store, 4, 2, RUN_FAILED, "failed", "x", &err), err);
    commit(b);
    assert_string_equal(found(b->base.store, id, "causality", "dense", NULL), "skipped");
    assert_string_equal(found(b->base.store, id, "indexer_learns", "dsa", NULL), "skipped");
    fixture_base_free(b);
}

static void test_a_deleted_experiment_is_left_alone(void **state)
{
    (void)state;
    struct base *b = fixture_base_new(sizeof(struct base));
    struct err err;
    int64_t id = submit(b->base.store);
    assert_ok(store_experiment_delete(b->base.store, id, &(struct run_slice){ 0 }, &err), err);
    commit(b);
    assert_string_equal(found(b->base.store, id, "power", NULL, NULL), "");
    fixture_base_free(b);
}

static void report(struct store *store, int64_t run, int seq, const char *name, const char *status)
{
    assert_int_equal(fixture_event(store, run, 1,
                                   "{\"type\":\"audit\",\"seq\":%d,\"name\":\"%s\",\"status\":"
                                   "\"%s\",\"detail\":\"\",\"evidence\":{\"x\":1}}",
                                   seq, name, status),
                     0);
}

static void test_a_run_speaks_as_far_as_an_audit_reaches(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool arm, grid;
    } rows[] = { { "finite", true, true },        { "replay", true, false },
                 { "causality", true, true },     { "split_overlap", false, true },
                 { "shared_init", false, false }, { "of another worker", true, true } };
    enum { N = sizeof rows / sizeof *rows };
    struct base *b = fixture_base_new(sizeof(struct base));
    struct err err;
    struct audit_row *got = NULL;
    size_t n = 0;
    int64_t id = submit(b->base.store);
    claim(b->base.store, 1, 1);
    for (int i = 0; i < N; i++)
        report(b->base.store, 1, i + 1, rows[i].name, "pass");
    assert_ok(store_audit_list(b->base.store, id, &got, &n, &err), err);
    assert_int_equal(n, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(got[i].run, 1);
        assert_int_equal(got[i].arm != NULL, rows[i].arm);
        assert_int_equal(got[i].grid != NULL, rows[i].grid);
        assert_string_equal(got[i].evidence, "{\"x\":1}");
        audit_row_done(&got[i]);
    }
    free(got);
    fixture_base_free(b);
}

static void test_counts_merge(void **state)
{
    (void)state;
    struct base *b = fixture_base_new(sizeof(struct base));
    struct err err;
    struct experiment_row row;
    struct experiment_list list;
    int64_t id = submit(b->base.store);
    assert_int_equal(sqlite3_exec(b->base.store->db,
                                  "UPDATE runs SET grid = '{\"data.seq_len\":128}' WHERE id > 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int64_t run = 1; run <= 4; run++)
        claim(b->base.store, run, 1);
    report(b->base.store, 1, 1, "finite", "fail");
    report(b->base.store, 3, 1, "finite", "pass"); /* dense: one, failed */
    report(b->base.store, 2, 1, "finite", "pass");
    report(b->base.store, 4, 1, "finite", "warn"); /* dsa: one, warned of */
    report(b->base.store, 1, 2, "split_overlap", "pass");
    report(b->base.store, 2, 2, "split_overlap", "warn"); /* the grid point: one, warned of */
    report(b->base.store, 1, 3, "causality", "pass");
    report(b->base.store, 3, 2, "causality", "pass"); /* at each grid point */
    report(b->base.store, 2, 3, "causality", "skipped");
    assert_ok(store_experiment_get(b->base.store, id, &row, &err), err);
    assert_int_equal(row.audits[AUDIT_PASS], 2);
    assert_int_equal(row.audits[AUDIT_FAIL], 1);
    assert_int_equal(row.audits[AUDIT_WARN], 2);
    assert_int_equal(row.audits[AUDIT_SKIPPED], 1);
    const struct experiment_query query = { false, "", "", "", 10 };
    assert_ok(store_experiment_list(b->base.store, &query, &list, &err), err);
    assert_int_equal(list.n, 1);
    assert_memory_equal(list.items[0].audits, row.audits, sizeof row.audits);
    experiment_list_done(&list);
    experiment_row_done(&row);
    fixture_base_free(b);
}

static void test_facts(void **state)
{
    (void)state;
    struct base *b = fixture_base_new(sizeof(struct base));
    struct err err;
    struct digests_row *rows = NULL;
    size_t n = 0;
    char *init = NULL;
    int64_t id = submit(b->base.store);
    train(b->base.store, 1, 1, "aa");
    claim(b->base.store, 2, 1); /* from a checkpoint: it tells no weights */
    assert_int_equal(fixture_event(b->base.store, 2, 1,
                                   "{\"type\":\"started\",\"seq\":1,\"step\":5,"
                                   "\"environment\":{},\"guess\":{\"unigram\":3.25,"
                                   "\"bigram\":null}}"),
                     0);
    assert_int_equal(fixture_event(b->base.store, 2, 1,
                                   "{\"type\":\"eval\",\"seq\":2,\"step\":10,\"values\":{"
                                   "\"val/loss\":2.5}}"),
                     0);
    assert_ok(store_digests_list(b->base.store, id, "val/loss", &rows, &n, &err), err);
    assert_int_equal(n, 4);
    assert_string_equal(rows[0].consumed, "c");
    assert_string_equal(rows[0].eval, "e");
    assert_int_equal(rows[0].state, RUN_SUCCEEDED);
    assert_false(rows[0].measured);
    assert_null(rows[1].consumed);
    assert_true(rows[1].measured && rows[1].value == 2.5);
    assert_true(rows[1].evaluated && rows[1].loss == 2.5 && !rows[0].evaluated);
    assert_true(rows[1].unigram == 3.25 && isnan(rows[1].bigram) && isnan(rows[0].unigram));
    digests_rows_free(rows, n);
    assert_ok(store_digests_init(b->base.store, 1, &init, &err), err);
    assert_string_equal(init, "{\"w\":\"4:aa\"}");
    free(init);
    assert_ok(store_digests_init(b->base.store, 2, &init, &err), err);
    assert_string_equal(init, "");
    free(init);

    /* A later attempt from the beginning counts, one that verifies doesn't. */
    for (int verify = 0; verify < 2; verify++) {
        assert_int_equal(sqlite3_exec(b->base.store->db,
                                      verify ? "UPDATE attempts SET kind = 'verify'"
                                             : "UPDATE attempts SET kind = 'train'",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        assert_ok(
            store_digests_put(b->base.store, 1, 1, verify ? "verified" : "again", NULL, NULL, &err),
            err);
        assert_ok(store_digests_init(b->base.store, 1, &init, &err), err);
        assert_string_equal(init, "again");
        free(init);
    }
    fixture_base_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings_come_with_the_end),
        cmocka_unit_test(test_only_an_end_concludes),
        cmocka_unit_test(test_another_end_replaces_them),
        cmocka_unit_test(test_what_the_first_seed_owes),
        cmocka_unit_test(test_a_deleted_experiment_is_left_alone),
        cmocka_unit_test(test_a_run_speaks_as_far_as_an_audit_reaches),
        cmocka_unit_test(test_counts_merge),
        cmocka_unit_test(test_facts),
    };
    return cmocka_run_group_tests_name("conclude", tests, NULL, NULL);
}
