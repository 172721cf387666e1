/* Cells: repetitions of a specification are found in every experiment, deleted and purged ones. */
#include "tests/unit/server/fixture.h"

#include "common/json/jsonx.h"
#include "common/spec/spec_json.h"
#include "server/store/runs/store_cells.h"
#include "server/store/runs/store_purge.h"
#include "server/store/store_priv.h"

/* An experiment of n runs of cell "a", and one of "b". */
static int64_t submit(struct store *store, size_t n)
{
    struct new_run runs[8];
    struct err err;
    int64_t id = 0;
    bool existing;
    for (size_t i = 0; i <= n; i++)
        runs[i] = (struct new_run){ .arm = i < n ? "dense" : "dsa",
                                    .grid = "{}",
                                    .spec = "{}",
                                    .digest = "d",
                                    .cell = i < n ? "a" : "b",
                                    .seed = (int64_t)i,
                                    .max_attempts = 3,
                                    .steps = 10 };
    struct new_experiment new = fixture_plain(runs, n + 1);
    new.metric = "val/loss";
    assert_ok(store_experiment_add(store, &new, &id, &existing, &err), err);
    return id;
}

static void run_sql(struct store *store, const char *format, ...)
{
    char text[512];
    struct err err;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_ok(store_execute(store, text, &err), err);
}

/* The first n runs of an experiment ended so; value by run. */
static void end_runs(struct store *store, int64_t experiment, int n, const char *state,
                     const char *kind)
{
    run_sql(
        store,
        "INSERT OR IGNORE INTO metric_names (id, name) VALUES (1, 'val/loss');"
        "UPDATE runs SET state = '%s', started_at = 1, ended_at = 2 WHERE id IN (SELECT id FROM "
        "runs WHERE experiment = %lld ORDER BY id LIMIT %d);"
        "INSERT OR REPLACE INTO series SELECT id, 1, 1, 0, 10, seed + experiment, %s, 0, 0, 0, "
        "0, 0 FROM runs WHERE experiment = %lld AND started_at = 1",
        state, (long long)experiment, n, kind, (long long)experiment);
}

static void expect_rows(struct store *store, const char *cell, int64_t but, const char *wanted)
{
    struct cell_row *rows = NULL;
    size_t n = 0;
    struct err err;
    struct buf text;
    buf_init(&text, 0);
    assert_ok(store_cells_elsewhere(store, cell, but, "val/loss", 9, &rows, &n, &err), err);
    for (size_t i = n; i-- > 0;) {
        assert_ok(store_cells_measure(store, cell, "val/loss", &rows[i], &err), err);
        buf_addf(&text, "%s%lld%s %lld/%lld %g", text.len > 0 ? ", " : "",
                 (long long)rows[i].experiment,
                 rows[i].purged    ? " purged"
                 : rows[i].deleted ? " deleted"
                                   : "",
                 (long long)rows[i].measured, (long long)rows[i].runs,
                 rows[i].measured > 0 ? rows[i].mean : 0);
    }
    assert_string_equal(text.len > 0 ? text.data : "", wanted);
    buf_done(&text);
    free(rows);
}

static void purge_all(struct store *store)
{
    struct purge_part part = { 0 };
    struct err err;
    do {
        assert_ok(store_purge_next(store, &part, &err), err);
        if (part.experiment == 0)
            return;
        assert_ok(store_purge_runs(store, &part, &err), err);
        if (part.runs_n == 0)
            assert_ok(store_purge_experiment(store, part.experiment, &err), err);
    } while (true);
}

static void test_elsewhere(void **state)
{
    char folder[64];
    struct err err;
    struct run_slice slice = { 0 };
    (void)state;
    fixture_folder(folder);
    struct store *store = fixture_store(folder);
    for (int i = 0; i < 4; i++)
        assert_int_equal(submit(store, 3), i + 1);
    expect_rows(store, "a", 0, ""); /* none has begun */
    end_runs(store, 1, 3, "succeeded", "0");
    end_runs(store, 2, 2, "cancelled", "0");                                    /* seen, though */
    end_runs(store, 3, 4, "succeeded", "1");                                    /* diverged */
    run_sql(store, "UPDATE runs SET state = 'cancelled' WHERE experiment = 4"); /* never begun */
    expect_rows(store, "a", 0, "1 3/3 2, 2 2/2 2.5, 3 0/3 0");
    expect_rows(store, "a", 2, "1 3/3 2, 3 0/3 0");
    expect_rows(store, "b", 0, "3 0/1 0");
    expect_rows(store, "c", 0, "");
    /* one that was cancelled and waits to be tried again, or runs again, was seen all the same */
    run_sql(store,
            "UPDATE runs SET state = iif(seed = 0, 'queued', 'running'), ended_at = NULL WHERE "
            "experiment = 2 AND started_at = 1");
    expect_rows(store, "a", 0, "1 3/3 2, 2 0/2 0, 3 0/3 0");
    run_sql(store, "UPDATE runs SET state = 'cancelled', ended_at = 2 WHERE experiment = 2");

    do
        assert_ok(store_experiment_delete(store, 1, &slice, &err), err);
    while (slice.more);
    slice = (struct run_slice){ 0 };
    assert_ok(store_experiment_delete(store, 3, &slice, &err), err);
    expect_rows(store, "a", 0, "1 deleted 3/3 2, 2 2/2 2.5, 3 deleted 0/3 0");
    assert_ok(store_experiment_purge(store, 1, &err), err);
    expect_rows(store, "a", 0, "1 purged 3/3 2, 2 2/2 2.5, 3 deleted 0/3 0"); /* told once */
    assert_ok(store_experiment_purge(store, 1, &err), err);
    int64_t n = 0;
    assert_ok(store_purge_expired(store, INT64_MAX, &n, &err), err);
    assert_int_equal(n, 1);
    purge_all(store);
    expect_rows(store, "a", 0, "1 purged 3/3 2, 2 2/2 2.5, 3 purged 0/3 0");
    expect_rows(store, "b", 0, "3 purged 0/1 0");
    expect_rows(store, "a", 3, "1 purged 3/3 2, 2 2/2 2.5");
    store_close(store);
    fixture_remove_folder(folder);
}

static void cell_of(const char *text, char ret[DIGEST_HEX])
{
    json_t *spec = NULL;
    struct err err;
    assert_ok(jsonx_load(text, strlen(text), &spec, &err), err);
    assert_ok(run_spec_cell(spec, ret, &err), err);
    json_decref(spec);
}

static void test_what_a_cell_is(void **state)
{
    (void)state;
    static const char plain[] = "{\"data\":{},\"model\":{\"layers\":2},\"train\":{\"lr\":0.1}}";
    static const struct {
        const char *spec;
        bool same;
    } rows[] = {
        { "{\"data\":{},\"model\":{\"layers\":2},\"train\":{\"lr\":0.1,\"threads\":3,"
          "\"checkpoint_every\":7},\"seed\":5,\"artifacts\":[\"final\"]}",
          true },
        { "{\"data\":{},\"model\":{\"layers\":2},\"train\":{\"lr\":0.2}}", false },
        { "{\"data\":{},\"model\":{\"layers\":2},\"train\":{\"lr\":0.1,\"eval_every\":7}}", false },
        { "{\"data\":{\"split_seed\":5},\"model\":{\"layers\":2},\"train\":{\"lr\":0.1}}", false },
    };
    char cell[DIGEST_HEX], other[DIGEST_HEX];
    cell_of(plain, cell);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cell_of(rows[i].spec, other);
        assert_int_equal(strcmp(cell, other) == 0, rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_what_a_cell_is),
    };
    return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
