/* Deletion undone and made final in the store; copies, and what belongs to them; history. */
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_purge.h"
#include "server/store/store_copy.h"
#include "server/store/store_datasets.h"
#include "server/store/store_priv.h"
#include "tests/unit/server/fixture.h"

static int64_t count(struct store *store, const char *table)
{
    char text[96];
    int64_t n = -1;
    snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
    assert_int_equal(store_read_int(store, text, &n, NULL), 0);
    return n;
}

/* A run of `steps` values, claimed, ended. */
static void train(struct store *store, int64_t run, int64_t steps)
{
    struct claim claim = { 0 };
    struct err err;
    assert_ok(store_run_claim(store, run, "t", &claim, &err), err);
    free(claim.spec);
    for (int64_t step = 1; step <= steps; step++)
        assert_int_equal(fixture_event(store, run, 1,
                                       "{\"type\":\"metrics\",\"seq\":%lld,\"names\":[\"train/"
                                       "loss\"],\"rows\":[[%lld,1.5]]}",
                                       (long long)step, (long long)step),
                         0);
    assert_ok(store_attempt_end(store, run, 1, RUN_SUCCEEDED, "finished", "", &err), err);
}

static void test_deletion_is_undone_or_final(void **state)
{
    (void)state;
    char folder[64];
    struct err err;
    struct purge_part part;
    int64_t n = 0;
    fixture_folder(folder);
    struct store *store = fixture_store(folder);
    assert_ok(store_begin(store, &err), err);
    int64_t gone = fixture_experiment(store, 1, 0, 1, false);
    int64_t kept = fixture_experiment(store, 1, 0, 1, false);
    train(store, 1, PURGE_ROWS + 10);
    train(store, 2, 5);

    assert_int_equal(store_experiment_restore(store, gone, &err), -ERR_CONFLICT);
    assert_int_equal(store_experiment_purge(store, gone, &err), -ERR_CONFLICT);
    assert_int_equal(store_experiment_purge(store, 99, &err), -ERR_NOT_FOUND);
    assert_ok(store_experiment_delete(store, gone, &(struct run_slice){ 0 }, &err), err);
    assert_ok(store_experiment_restore(store, gone, &err), err);
    assert_ok(store_experiment_delete(store, gone, &(struct run_slice){ 0 }, &err), err);
    assert_ok(store_purge_next(store, &part, &err), err);
    assert_int_equal(part.experiment, 0); /* deleted isn't purged */
    assert_ok(store_purge_expired(store, clock_wall_ms() - 60000, &n, &err), err);
    assert_int_equal(n, 0);
    assert_ok(store_purge_expired(store, clock_wall_ms() + 60000, &n, &err), err);
    assert_int_equal(n, 1);
    assert_ok(store_experiment_purge(store, gone, &err), err); /* once more says nothing new */
    assert_int_equal(store_experiment_restore(store, gone, &err), -ERR_CONFLICT);

    assert_ok(store_purge_next(store, &part, &err), err);
    assert_int_equal(part.experiment, gone);
    assert_int_equal(part.runs_n, 1);
    assert_int_equal(part.runs[0], 1);
    assert_ok(store_purge_runs(store, &part, &err), err);
    assert_int_equal(part.gone, 0); /* a part at a time, and the run is there until the last */
    assert_int_equal(count(store, "metrics"), 15);
    assert_int_equal(count(store, "runs"), 2);
    while (part.gone < part.runs_n)
        assert_ok(store_purge_runs(store, &part, &err), err);
    assert_ok(store_purge_next(store, &part, &err), err);
    assert_int_equal(part.runs_n, 0);
    assert_ok(store_purge_experiment(store, part.experiment, &err), err);
    assert_ok(store_purge_next(store, &part, &err), err);
    assert_int_equal(part.experiment, 0);
    assert_ok(store_commit(store, &err), err);

    assert_int_equal(count(store, "experiments"), 1);
    assert_int_equal(count(store, "experiments WHERE id = 2"), kept == 2);
    assert_int_equal(count(store, "metrics"), 5);
    static const char *const tables[] = { "runs", "attempts", "series" };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        assert_int_equal(count(store, tables[i]), 1);
    assert_int_equal(count(store, "history WHERE experiment = 1 AND what = 'purged'"), 1);
    assert_int_equal(count(store, "history WHERE run = 2 AND what = 'succeeded'"), 1);
    store_close(store);
    fixture_remove_folder(folder);
}

static void test_a_copy_is_of_one_moment(void **state)
{
    (void)state;
    char folder[64], from[128], to[128];
    struct err err;
    struct store_summary made, found;
    fixture_folder(folder);
    snprintf(from, sizeof from, "%s/ablate.db", folder);
    snprintf(to, sizeof to, "%s/copy.db", folder);
    assert_int_equal(store_copy(from, to, &made, &err), -ERR_NOT_FOUND);
    struct store *store = fixture_store(folder);
    assert_ok(store_begin(store, &err), err);
    fixture_experiment(store, 3, 0, 1, false);
    train(store, 1, 7);
    assert_ok(store_commit(store, &err), err);
    /* What isn't committed isn't in it. */
    assert_ok(store_begin(store, &err), err);
    fixture_experiment(store, 1, 0, 1, false);
    assert_ok(store_copy(from, to, &made, &err), err);
    assert_ok(store_commit(store, &err), err);
    assert_ok(store_check(to, STORE_WHOLE, &found, &err), err);
    assert_memory_equal(&made, &found, sizeof made);
    assert_int_equal(found.rows[STORE_COUNT_experiments], 1);
    assert_int_equal(found.rows[STORE_COUNT_runs], 3);
    assert_int_equal(found.rows[STORE_COUNT_metrics], 7);
    assert_true(store_copy(from, to, &made, &err) < 0); /* nothing is written over */
    store_close(store);
    fixture_remove_folder(folder);
}

static int collect(void *arg, const struct store_file *file, struct err *err)
{
    (void)err;
    char *all = arg;
    size_t len = strlen(all);
    snprintf(all + len, 2048 - len, "%s%s%s\n", file->path, file->folder ? "/" : "",
             file->may_miss ? " ?" : "");
    return 0;
}

static void test_what_belongs_to_it(void **state)
{
    (void)state;
    char folder[64], path[128], all[2048] = "";
    struct err err;
    struct dataset_row row = { .name = "a", .digest = "ff00", .format = "text" };
    bool used = false;
    fixture_folder(folder);
    snprintf(path, sizeof path, "%s/ablate.db", folder);
    struct store *store = fixture_store(folder);
    assert_ok(store_begin(store, &err), err);
    assert_ok(store_dataset_put(store, &row, &err), err);
    fixture_experiment(store, 1, 0, 1, false);
    train(store, 1, 1);
    assert_ok(store_dataset_used(store, "ff00", &used, &err), err);
    assert_true(used);
    assert_ok(store_dataset_used(store, "ff01", &used, &err), err);
    assert_false(used);
    assert_ok(store_commit(store, &err), err);
    assert_ok(store_files(path, collect, all, &err), err);
    assert_string_equal(all, "datasets/ff00/\nruns/1/spec.json ?\n"
                             "runs/1/attempts/1/events.ndjson ?\nruns/1/attempts/1/log.txt ?\n"
                             "runs/1/attempts/1/exit.json ?\n");
    store_close(store);
    fixture_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deletion_is_undone_or_final),
        cmocka_unit_test(test_a_copy_is_of_one_moment),
        cmocka_unit_test(test_what_belongs_to_it),
    };
    return cmocka_run_group_tests_name("purge", tests, NULL, NULL);
}
