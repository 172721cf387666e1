/* Opening, foreign and newer databases, settings, datasets, experiments. */
#include "common/spec/spec_json.h"
#include "server/base/embed.h"
#include "server/store/curves/store_digests.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_cells.h"
#include "server/store/store_datasets.h"
#include "server/store/store_identity.h"
#include "tests/unit/server/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>

/* A folder of its own is a test's state. */
static int make_folder(void **state)
{
    fixture_folder(*state = malloc(64));
    return 0;
}

static int remove_folder(void **state)
{
    fixture_remove_folder(*state);
    free(*state);
    return 0;
}

/* Where a folder has its database; until the next call. */
static const char *database(const char *folder)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/ablate.db", folder);
    return path;
}

static void test_opens_again(void **state)
{
    const char *folder = *state;
    char value[8];
    struct err err;
    struct store *store = fixture_store(folder);
    assert_ok(store_begin(store, &err), err);
    assert_ok(store_setting_put(store, "a", "1", &err), err);
    assert_true(store_in_transaction(store));
    assert_ok(store_commit(store, &err), err);
    assert_false(store_in_transaction(store));
    store_close(store);
    store = fixture_store(folder);
    assert_ok(store_setting_get(store, "a", value, sizeof value, &err), err);
    assert_string_equal(value, "1");
    assert_ok(store_setting_get(store, "b", value, sizeof value, &err), err);
    assert_string_equal(value, "");
    store_close(store);
}

static void write_database(const char *folder, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(database(folder), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int file_bytes(const char *folder, char *ret, size_t size)
{
    int fd = open(database(folder), O_RDONLY);
    ssize_t n = read(fd, ret, size);
    close(fd);
    return (int)n;
}

static void test_refuses_what_is_not_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *said;
    } cases[] = {
        { "CREATE TABLE t (x)", "not one of Ablate's" },
        { "CREATE TABLE t (x); PRAGMA application_id = 1096969332; PRAGMA user_version = 99",
          "newer" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[64];
        static char before[65536], after[65536];
        struct store *store = NULL;
        struct err err;
        fixture_folder(folder);
        write_database(folder, cases[i].sql);
        int n = file_bytes(folder, before, sizeof before);
        assert_int_equal(store_open(database(folder), STORE_WRITER, &store, &err), -ERR_BAD_DATA);
        assert_non_null(strstr(err.message, cases[i].said));
        assert_null(store);
        assert_int_equal(file_bytes(folder, after, sizeof after), n);
        assert_memory_equal(before, after, (size_t)n); /* and leaves it as it was */
        fixture_remove_folder(folder);
    }
}

/* A database as version 1 left it, with a run whose attempt had started. */
static void write_version_1(const char *folder, const char *more)
{
    const struct embedded *file = NULL;
    for (size_t i = 0; i < embedded_n; i++)
        if (strcmp(embedded[i].path, "schema/migrations/0001_init.sql") == 0)
            file = &embedded[i];
    assert_non_null(file);
    write_database(folder, file->data);
    write_database(
        folder,
        "PRAGMA application_id = 1096969332; PRAGMA user_version = 1;"
        "INSERT INTO experiments (id, name, spec, metric, goal, runs_n, created_at) VALUES (1, "
        "'e', "
        "'{}', 'val/loss', 'min', 1, 1);"
        "INSERT INTO runs (id, experiment, arm, grid, seed, state, attempt, max_attempts, step, "
        "steps, spec, digest, parameters, memory_bytes, flops_per_step, created_at, ended_at) "
        "VALUES (1, 1, 'dense', '{}', 1, 'succeeded', 2, 3, 9, 9, '{}', 'd', 1, 1, 1, 1, 2);"
        "INSERT INTO attempts (run, attempt, token, started_at, environment) VALUES "
        "(1, 1, 't', 1, NULL), (1, 2, 't', 1, '{\"digest\":\"x\"}')");
    write_database(folder, more);
}

static int64_t int_in(const char *folder, const char *file, const char *sql)
{
    char path[160];
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

static void test_migrates_and_keeps_a_copy(void **state)
{
    (void)state;
    char folder[64];
    struct err err;
    struct run_row run;
    fixture_folder(folder);
    write_version_1(folder, "UPDATE attempts SET ended_at = 2 WHERE attempt = 1");
    struct store *store = fixture_store(folder);
    assert_ok(store_run_get(store, 1, &run, &err), err);
    assert_int_equal(run.state, RUN_SUCCEEDED);
    assert_int_equal(run.verify.state, VERIFY_NONE);
    assert_int_equal(run.step, 9);
    run_row_done(&run);
    store_close(store);
    assert_true(int_in(folder, "ablate.db", "PRAGMA user_version") >= 2);
    assert_int_equal(int_in(folder, "ablate.db", "SELECT sum(stored * attempt) FROM attempts"), 2);
    /* The token of an attempt that has ended is nobody's any more; one that runs keeps its own. */
    assert_int_equal(int_in(folder, "ablate.db", "SELECT count(*) FROM attempts WHERE token = 't'"),
                     1);
    assert_int_equal(int_in(folder, "ablate.db", "SELECT attempt FROM attempts WHERE token = 't'"),
                     2);
    /* It ended without `learned`, which nothing but a run could have told the figures of. */
    assert_int_equal(int_in(folder, "ablate.db",
                            "SELECT count(*) FROM audits WHERE name = 'learned' AND experiment = 1 "
                            "AND status = 'skipped' AND run IS NULL AND created_at = 2"),
                     1);
    assert_int_equal(int_in(folder, "ablate.db", "SELECT parent IS NULL FROM experiments"), 1);
    /* It ended, and its verdict is yet to be drawn. */
    assert_int_equal(
        int_in(folder, "ablate.db", "SELECT count(*) FROM experiments WHERE verdict IS NULL"), 1);
    assert_int_equal(int_in(folder, "ablate.db.before-2", "PRAGMA user_version"), 1);
    assert_int_equal(int_in(folder, "ablate.db.before-2", "SELECT step FROM runs"), 9);
    /* Opened again there is nothing to do, and a new database needs no copy. */
    store_close(fixture_store(folder));
    fixture_remove_folder(folder);
    fixture_folder(folder);
    store_close(fixture_store(folder));
    char path[128];
    snprintf(path, sizeof path, "%s/ablate.db.before-2", folder);
    assert_int_equal(access(path, F_OK), -1);
    fixture_remove_folder(folder);
}

static void test_a_failed_migration_changes_nothing(void **state)
{
    const char *folder = *state;
    struct store *store = NULL;
    struct err err;
    write_version_1(folder, "CREATE TABLE runs_verifying (x)"); /* the name of its last index */
    assert_true(store_open(database(folder), STORE_WRITER, &store, &err) < 0);
    assert_null(store);
    assert_int_equal(int_in(folder, "ablate.db", "PRAGMA user_version"), 1);
    assert_int_equal(int_in(folder, "ablate.db",
                            "SELECT count(*) FROM pragma_table_info('runs') WHERE name = 'verify'"),
                     0);
}

static void test_refuses_what_is_no_database(void **state)
{
    const char *folder = *state;
    struct store *store = NULL;
    struct err err;
    FILE *file = fopen(database(folder), "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_int_equal(store_open(database(folder), STORE_WRITER, &store, &err), -ERR_BAD_DATA);
    assert_int_equal(store_open("/nonexistent/ablate.db", STORE_WRITER, &store, &err),
                     -ERR_STORAGE);
}

/* A database of the first version is brought up to date, after a copy of it was made. */
static void test_migrates(void **state)
{
    const char *folder = *state;
    char copy[128];
    struct err err;
    sqlite3 *db;
    for (size_t i = 0; i < embedded_n; i++)
        if (strcmp(embedded[i].path, "schema/migrations/0001_init.sql") == 0)
            write_database(folder, embedded[i].data);
    write_database(folder, "PRAGMA application_id = 1096969332; PRAGMA user_version = 1;"
                           "INSERT INTO settings VALUES ('old', '1');"
                           "INSERT INTO experiments (id, name, spec, metric, goal, runs_n, "
                           "created_at) VALUES (1, 'x', '{}', 'val/loss', 'min', 2, 1);"
                           "INSERT INTO runs (experiment, arm, grid, seed, state, max_attempts, "
                           "steps, spec, digest, parameters, memory_bytes, flops_per_step, "
                           "created_at, started_at) SELECT 1, 'x', '{}', 5, 'succeeded', 1, 1, "
                           "column1, 'd', 1, 1, 1, 1, 1 FROM (VALUES ('{\"data\":{},\"seed\":5}'), "
                           "('no JSON'))");
    struct store *store = fixture_store(folder);
    char *init = NULL;
    assert_ok(store_digests_init(store, 1, &init, &err), err);
    free(init);
    struct cell_row *cells = NULL;
    size_t n = 0;
    char cell[DIGEST_HEX];
    json_t *spec = json_pack("{s:{}, s:i}", "data", "seed", 6);
    assert_ok(run_spec_cell(spec, cell, &err), err);
    assert_ok(store_cells_elsewhere(store, cell, 0, "val/loss", 9, &cells, &n, &err), err);
    assert_int_equal(n, 1); /* what was run before there were cells is found */
    assert_int_equal(cells[0].runs, 1);
    json_decref(spec);
    free(cells);
    store_close(store);
    store = fixture_store(folder); /* and only once */
    store_close(store);
    snprintf(copy, sizeof copy, "%s/ablate.db.before-3", folder);
    assert_int_equal(sqlite3_open_v2(copy, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT value FROM settings", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT * FROM facts", NULL, NULL, NULL), SQLITE_ERROR);
    sqlite3_close(db);
}

static int64_t found_by(struct store *store, const char *filter)
{
    const struct run_query query = { 0, filter, "", "", 100 };
    struct run_list list;
    struct err err;
    assert_ok(store_run_list(store, &query, &list, &err), err);
    int64_t n = (int64_t)list.n;
    run_list_done(&list);
    return n;
}

/* What was submitted before is searched like what comes after it, and both share their parts, which
 * go with the last run that has them. */
static void test_what_is_searched(void **state)
{
    const char *folder = *state;
    static const char spec[] = "{\"data\":{\"seq_len\":8},\"model\":{\"tied\":true},\"seed\":1,"
                               "\"train\":{\"betas\":[0.9,0.999],\"lr\":0.003}}";
    const struct new_run run = { .arm = "dense",
                                 .grid = "{\"train.lr\":0.003}",
                                 .spec = spec,
                                 .digest = "d",
                                 .max_attempts = 1,
                                 .steps = 1 };
    struct new_experiment experiment = fixture_plain(&run, 1);
    char more[1024];
    snprintf(more, sizeof more,
             "UPDATE runs SET spec = '%s', grid = '{\"train.lr\":0.003}';"
             "UPDATE experiments SET tags = '{\"layers\":\"4\",\"topic\":\"dsa\"}';"
             "INSERT INTO runs (experiment, arm, grid, seed, max_attempts, steps, spec, digest, "
             "parameters, memory_bytes, flops_per_step, created_at) VALUES (1, 'odd', 'no JSON', "
             "1, 1, 1, '[]', 'd', 1, 1, 1, 1)",
             spec);
    write_version_1(folder, more);
    struct store *store = fixture_store(folder);
    assert_int_equal(int_in(folder, "ablate.db", "SELECT count(*) FROM parts"), 4);
    assert_int_equal(found_by(store, "params.train.lr = 0.003 and grid.train.lr > 0.002"), 1);
    assert_int_equal(found_by(store, "params.model.tied = true and params.train.betas.1 = 0.999"),
                     1);
    assert_int_equal(found_by(store, "not params.model.tied = true and grid.train.lr is null"), 1);
    assert_int_equal(found_by(store, "tags.layers > 3 and tags.topic = dsa"), 2);
    assert_int_equal(found_by(store, "tags.layers = 4 and tags.layers in (5, 4.0)"), 2);
    assert_int_equal(found_by(store, "tags.layers = \"4.0\""), 0);
    experiment.tags = "{\"layers\":\"5\"}";
    fixture_add(store, &experiment);
    assert_int_equal(int_in(folder, "ablate.db", "SELECT count(*) FROM parts"), 4);
    assert_int_equal(
        int_in(folder, "ablate.db", "SELECT min(uses) = 2 AND max(uses) = 2 FROM parts"), 1);
    assert_int_equal(found_by(store, "params.train.lr = 0.003"), 2);
    assert_int_equal(found_by(store, "tags.layers = 5"), 1);
    store_close(store);
    write_database(folder, "DELETE FROM runs WHERE id = 1");
    assert_int_equal(int_in(folder, "ablate.db", "SELECT count(*) FROM parts WHERE uses = 1"), 4);
    write_database(folder, "DELETE FROM runs; DELETE FROM experiments");
    assert_int_equal(int_in(folder, "ablate.db",
                            "SELECT (SELECT count(*) FROM parts) + (SELECT count(*) FROM params) + "
                            "(SELECT count(*) FROM tags)"),
                     0);
}

static struct store_identity identity_of(const char *folder)
{
    struct store_identity identity;
    struct err err;
    struct store *store = fixture_store(folder);
    assert_ok(store_identity(store, &identity, &err), err);
    store_close(store);
    assert_int_equal(strspn(identity.id, "0123456789abcdef"), STORE_IDENTITY_HEX);
    return identity;
}

/* New or migrated, every database is one of its own, and stays that. */
static void test_identity(void **state)
{
    (void)state;
    char folders[2][64];
    int64_t begun = clock_wall_ms();
    fixture_folder(folders[0]);
    fixture_folder(folders[1]);
    write_version_1(folders[1], "");
    const struct store_identity made = identity_of(folders[0]), migrated = identity_of(folders[1]);
    assert_string_not_equal(made.id, migrated.id);
    assert_true(migrated.made_at >= begun - 1 && migrated.made_at <= clock_wall_ms());
    const struct store_identity again = identity_of(folders[0]);
    assert_string_equal(again.id, made.id);
    assert_int_equal(again.made_at, made.made_at);
    fixture_remove_folder(folders[0]);
    fixture_remove_folder(folders[1]);
}

/* A copy becomes another database; what it believes to run belongs to the original. One of before
 * there were identities stays as it is: the migration makes one. */
static void test_a_copy_becomes_another_database(void **state)
{
    const char *folder = *state;
    struct err err;
    write_version_1(folder, "UPDATE attempts SET ended_at = 2 WHERE attempt = 1");
    assert_ok(store_identity_renew(database(folder), &err), err);
    assert_int_equal(int_in(folder, "ablate.db", "PRAGMA user_version"), 1);
    const struct store_identity before = identity_of(folder);
    assert_ok(store_identity_renew(database(folder), &err), err);
    const struct store_identity after = identity_of(folder);
    assert_string_not_equal(before.id, after.id);
    assert_true(after.made_at >= before.made_at);
    assert_int_equal(int_in(folder, "ablate.db", "SELECT sum(token = 't') FROM attempts"), 0);
    assert_int_equal(
        int_in(folder, "ablate.db", "SELECT token = '' FROM attempts WHERE attempt = 2"), 1);
    assert_int_equal(store_identity_renew("/nonexistent/ablate.db", &err), -ERR_STORAGE);
}

static void test_savepoints(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    char value[8];
    struct err err;
    for (int keep = 0; keep < 2; keep++) {
        assert_ok(store_savepoint(store, &err), err);
        assert_ok(store_setting_put(store, keep ? "kept" : "given up", "1", &err), err);
        assert_ok(store_release(store, keep, &err), err);
    }
    assert_ok(store_commit(store, &err), err);
    assert_ok(store_setting_get(store, "kept", value, sizeof value, &err), err);
    assert_string_equal(value, "1");
    assert_ok(store_setting_get(store, "given up", value, sizeof value, &err), err);
    assert_string_equal(value, "");
}

/* Memory that SQLite doesn't get is no fault of the disk, and leaves outputs as they were. */
static void test_memory_runs_out(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct queued_run untouched, *runs = &untouched;
    size_t n = 7;
    int64_t counts[AUDIT_STATUSES] = { -1 };
    sqlite3_hard_heap_limit64(1);
    assert_int_equal(store_queue_head(store, 1, &runs, &n, &err), -ERR_NO_MEMORY);
    assert_int_equal(store_audit_counts(store, 1, counts, &err), -ERR_NO_MEMORY);
    assert_int_equal(err.code, ERR_NO_MEMORY);
    assert_ptr_equal(runs, &untouched);
    assert_int_equal(n, 7);
    assert_int_equal(counts[0], -1);
    assert_false(store_damaged(store));
    sqlite3_hard_heap_limit64(0);
    assert_ok(store_queue_head(store, 1, &runs, &n, &err), err);
    assert_int_equal(n, 0);
    free(runs);
}

static void test_datasets(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct dataset_row row = {
        .name = "b", .digest = "ff00", .documents = 3, .bytes = 10, .format = "text"
    };
    struct dataset_row got, *list = NULL;
    size_t n = 0;
    assert_ok(store_dataset_put(store, &row, &err), err);
    row.documents = 4;
    assert_ok(store_dataset_put(store, &row, &err), err); /* by name: replaced */
    strcpy(row.name, "a");
    assert_ok(store_dataset_put(store, &row, &err), err);
    assert_ok(store_dataset_get(store, "b", &got, &err), err);
    assert_int_equal(got.documents, 4);
    assert_ok(store_dataset_get(store, "sha256:ff00", &got, &err), err);
    assert_int_equal(store_dataset_get(store, "sha256:ff01", &got, &err), -ERR_NOT_FOUND);
    assert_int_equal(store_dataset_get(store, "ff00", &got, &err), -ERR_NOT_FOUND);
    assert_ok(store_dataset_list(store, &list, &n, &err), err);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].name, "a");
    free(list);

    /* A queued run needs the content, under whatever name. */
    const struct new_run run = { .arm = "x",
                                 .grid = "{}",
                                 .spec = "{}",
                                 .digest = "d",
                                 .dataset_digest = "ff00",
                                 .max_attempts = 1,
                                 .steps = 1 };
    const struct new_experiment experiment = fixture_plain(&run, 1);
    fixture_add(store, &experiment);
    assert_ok(store_dataset_delete(store, "a", &err), err);
    assert_int_equal(store_dataset_delete(store, "a", &err), -ERR_NOT_FOUND);
    assert_int_equal(store_dataset_delete(store, "b", &err), -ERR_CONFLICT);
    assert_ok(store_run_cancel(store, 1, &err), err);
    assert_ok(store_dataset_delete(store, "b", &err), err);
    assert_int_equal(store_run_retry(store, 1, &err), -ERR_CONFLICT);
    assert_non_null(strstr(err.message, "dataset"));
    assert_ok(store_dataset_put(store, &row, &err), err);
    assert_ok(store_run_retry(store, 1, &err), err);
}

static void test_idempotency(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    const struct new_run run = {
        .arm = "x", .grid = "{}", .spec = "{}", .digest = "d", .max_attempts = 1, .steps = 1
    };
    struct new_experiment experiment = fixture_plain(&run, 1);
    experiment.idempotency_key = "k";
    experiment.body_digest = "one";
    int64_t first, again;
    bool existing;
    assert_ok(store_experiment_add(store, &experiment, &first, &existing, &err), err);
    assert_false(existing);
    assert_ok(store_experiment_add(store, &experiment, &again, &existing, &err), err);
    assert_true(existing);
    assert_int_equal(first, again);
    experiment.body_digest = "two";
    assert_int_equal(store_experiment_add(store, &experiment, &again, &existing, &err),
                     -ERR_IDEMPOTENCY_MISMATCH);
    experiment.idempotency_key = NULL;
    assert_ok(store_experiment_add(store, &experiment, &again, &existing, &err), err);
    assert_false(existing);
    assert_true(again != first);
    struct experiment_list list;
    struct experiment_query query = { false, "", "", "", 10 };
    assert_ok(store_experiment_list(store, &query, &list, &err), err);
    assert_int_equal(list.n, 2);
    assert_false(list.more);
    assert_int_equal(list.items[0].id, again);
    assert_int_equal(list.items[0].counts[RUN_QUEUED], 1);
    query.page_token = list.tokens[0];
    struct experiment_list rest;
    assert_ok(store_experiment_list(store, &query, &rest, &err), err);
    assert_int_equal(rest.n, 1);
    assert_int_equal(rest.items[0].id, first);
    experiment_list_done(&rest);
    experiment_list_done(&list);
}

static void test_experiments_change_and_go(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct experiment_row row;
    struct claim claim;
    struct run_row run;
    struct run_slice slice = { 0 };
    int64_t id = fixture_experiment(store, 3, 0, 3, false);
    assert_ok(store_experiment_patch(store, id, "renamed", NULL, NULL, &err), err);
    assert_ok(store_experiment_get(store, id, &row, &err), err);
    assert_string_equal(row.name, "renamed");
    assert_string_equal(row.tags, "{\"topic\":\"dsa\"}");
    assert_int_equal(row.steps_total, 300);
    assert_int_equal(row.started_at, 0);
    experiment_row_done(&row);
    assert_int_equal(store_experiment_patch(store, 99, "x", NULL, NULL, &err), -ERR_NOT_FOUND);

    assert_ok(store_run_claim(store, 1, "t", &claim, &err), err);
    claim_done(&claim);
    assert_int_equal(store_experiment_delete(store, id, &slice, &err), -ERR_CONFLICT);
    assert_string_equal(err.message, "1 run is running in experiment 1; cancel it first");
    assert_ok(store_experiment_cancel(store, id, &slice, &err), err);
    assert_ok(store_experiment_get(store, id, &row, &err), err);
    assert_int_equal(row.counts[RUN_CANCELLED], 2);
    assert_int_equal(row.counts[RUN_RUNNING], 1);
    assert_int_equal(row.ended_at, 0);
    experiment_row_done(&row);
    assert_ok(store_run_get(store, 1, &run, &err), err);
    assert_true(run.cancel);
    run_row_done(&run);
    assert_ok(store_attempt_end(store, 1, 1, RUN_CANCELLED, "stopped", "cancelled", &err), err);
    assert_ok(store_experiment_get(store, id, &row, &err), err);
    assert_true(row.ended_at > 0);
    experiment_row_done(&row);
    slice = (struct run_slice){ 0 };
    assert_ok(store_experiment_delete(store, id, &slice, &err), err);
    assert_int_equal(store_experiment_get(store, id, &row, &err), -ERR_NOT_FOUND);
    assert_int_equal(store_run_get(store, 1, &run, &err), -ERR_NOT_FOUND);
    assert_int_equal(store_run_cancel(store, 1, &err), -ERR_NOT_FOUND);
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
#define IN_STORE(name)                                                                             \
    cmocka_unit_test_setup_teardown(name, fixture_base_set_up, fixture_base_tear_down)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_opens_again),
        cmocka_unit_test(test_refuses_what_is_not_its_own),
        cmocka_unit_test(test_migrates_and_keeps_a_copy),
        IN_FOLDER(test_a_failed_migration_changes_nothing),
        IN_FOLDER(test_refuses_what_is_no_database),
        IN_FOLDER(test_migrates),
        IN_FOLDER(test_what_is_searched),
        cmocka_unit_test(test_identity),
        IN_FOLDER(test_a_copy_becomes_another_database),
        IN_STORE(test_savepoints),
        IN_STORE(test_memory_runs_out),
        IN_STORE(test_datasets),
        IN_STORE(test_idempotency),
        IN_STORE(test_experiments_change_and_go),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
