/* The views as whoever queries the database sees them, in a new one and in one that was migrated:
 * numbers are numbers or NULL, words stand beside. */
#include "server/base/embed.h"
#include "tests/unit/server/fixture.h"

#include <sqlite3.h>

enum { BEFORE = 9 }; /* the last schema whose views had words among their numbers */

/* An arm whose runs all diverged to NaN, one that went to both infinities, a sound one with one run
 * that diverged, and a run that has measured nothing. */
static const char rows[] =
    "INSERT INTO experiments (id, name, spec, metric, goal, runs_n, created_at) VALUES "
    "(1, 'e', '{}', 'val/loss', 'min', 8, 1), (2, 'm', '{}', 'val/accuracy', 'max', 1, 1);"
    "INSERT INTO metric_names VALUES (1, 'val/loss'), (2, 'val/accuracy');"
    "INSERT INTO runs (id, experiment, arm, grid, seed, state, max_attempts, steps, spec, digest, "
    "parameters, memory_bytes, flops_per_step, created_at, started_at, ended_at) SELECT "
    "column1, column2, column3, '{}', column4, 'succeeded', 3, 9, '{}', 'digest', 1, 1, 1, 1, "
    "1000, 3500 FROM (VALUES (1, 1, 'nan', 1), (2, 1, 'nan', 2), (3, 1, 'inf', 1), "
    "(4, 1, 'inf', 2), (5, 1, 'sound', 1), (6, 1, 'sound', 2), (7, 1, 'sound', 3), "
    "(8, 1, 'silent', 1), (9, 2, 'other', 1));"
    "INSERT INTO metrics SELECT column1, column2, column3, column4, column5 FROM (VALUES "
    "(1, 1, 1, 2.5, 0), (1, 1, 2, 0, 1), (2, 1, 1, 0, 1), (3, 1, 1, 9e999, 2), "
    "(4, 1, 1, -9e999, 3), (5, 1, 1, 3, 0), (6, 1, 1, 4.5, 0), (7, 1, 1, 0, 1), (9, 2, 1, 0.5, 0));"
    "INSERT INTO series (run, name, count, nonfinite, last_step, last, last_kind, min, max, sum) "
    "SELECT column1, column2, column3, column4, column5, column6, column7, column8, column8, 0 "
    "FROM (VALUES (1, 1, 2, 1, 2, 0, 1, 2.5), (2, 1, 1, 1, 1, 0, 1, NULL), "
    "(3, 1, 1, 1, 1, 9e999, 2, NULL), (4, 1, 1, 1, 1, -9e999, 3, NULL), (5, 1, 1, 0, 1, 3, 0, 3), "
    "(6, 1, 1, 0, 1, 4.5, 0, 4.5), (7, 1, 1, 1, 1, 0, 1, NULL), (9, 2, 1, 0, 1, 0.5, 0, 0.5));";

static void execute(const char *folder, const char *sql)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/ablate.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* The daemon, the first time. */
static void open_once(const char *folder)
{
    store_close(fixture_store(folder));
}

static void make_new(const char *folder)
{
    open_once(folder);
    execute(folder, rows);
}

/* A database of the schema before, with these rows; then opened, which migrates it. */
static void make_old(const char *folder)
{
    char prefix[32], versions[96];
    for (int n = 1; n <= BEFORE; n++) {
        snprintf(prefix, sizeof prefix, "schema/migrations/%04d_", n);
        for (size_t i = 0; i < embedded_n; i++)
            if (strncmp(embedded[i].path, prefix, strlen(prefix)) == 0)
                execute(folder, embedded[i].data);
    }
    snprintf(versions, sizeof versions,
             "PRAGMA application_id = 1096969332; PRAGMA user_version = %d", BEFORE);
    execute(folder, versions);
    execute(folder, rows);
    open_once(folder);
}

/* Cells apart by "|", rows by a space; NULL is "-". */
static void answer(const char *folder, const char *sql, char *ret, size_t size)
{
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    struct buf text;
    buf_init(&text, 0);
    snprintf(path, sizeof path, "%s/ablate.db", folder);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *cell = (const char *)sqlite3_column_text(s, i);
            buf_addf(&text, "%s%s",
                     i > 0          ? "|"
                     : text.len > 0 ? " "
                                    : "",
                     cell != NULL ? cell : "-");
        }
    sqlite3_finalize(s);
    sqlite3_close(db);
    snprintf(ret, size, "%s", text.len > 0 ? text.data : "");
    buf_done(&text);
}

static const struct {
    const char *sql, *want;
} cases[] = {
    { "SELECT run, typeof(final), final, final_word, best FROM v_runs ORDER BY run",
      "1|null|-|nan|2.5 2|null|-|nan|- 3|real|Inf|inf|- 4|real|-Inf|-inf|- 5|real|3.0|-|3.0 "
      "6|real|4.5|-|4.5 7|null|-|nan|- 8|null|-|-|- 9|real|0.5|-|0.5" },
    /* An arm that diverged has no mean, and the word's column counts it. */
    { "SELECT arm, avg(final), count(*), count(final), count(final_word) FROM v_runs WHERE "
      "experiment = 1 AND arm <> 'inf' GROUP BY arm ORDER BY arm",
      "nan|-|2|0|2 silent|-|1|0|0 sound|3.75|3|2|1" },
    { "SELECT max(final), min(final) FROM v_runs WHERE arm <> 'inf'", "4.5|0.5" },
    { "SELECT run FROM v_runs WHERE final IS NOT NULL ORDER BY final", "4 9 5 6 3" },
    { "SELECT run, seconds FROM v_runs WHERE final = '4.5'", "6|2.5" },
    { "SELECT run, step, typeof(value), value, value_word FROM v_curves WHERE run < 6 "
      "ORDER BY run, step",
      "1|1|real|2.5|- 1|2|null|-|nan 2|1|null|-|nan 3|1|real|Inf|inf 4|1|real|-Inf|-inf "
      "5|1|real|3.0|-" },
    { "SELECT run, max(value), avg(value) FROM v_curves WHERE run = 1", "1|2.5|2.5" },
    /* No view has a column with words among numbers. */
    { "SELECT count(*) FROM v_runs WHERE 'text' IN (typeof(run), typeof(experiment), typeof(seed), "
      "typeof(final), typeof(best), typeof(seconds))",
      "0" },
    { "SELECT count(*) FROM v_curves WHERE 'text' IN (typeof(run), typeof(step), typeof(value))",
      "0" },
    { "SELECT count(*) FROM v_history WHERE 'text' IN (typeof(experiment), typeof(run))", "0" },
    { "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'view'",
      "v_history,v_curves,v_runs" },
    { "SELECT group_concat(DISTINCT digest) FROM runs", "digest" },
};

static void assert_answers(const char *folder)
{
    char got[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer(folder, cases[i].sql, got, sizeof got);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s:\n%s\nrather than\n%s", cases[i].sql, got, cases[i].want);
    }
}

static void in_a_folder(void (*make)(const char *folder))
{
    char folder[64];
    fixture_folder(folder);
    make(folder);
    assert_answers(folder);
    fixture_remove_folder(folder);
}

static void test_new(void **state)
{
    (void)state;
    in_a_folder(make_new);
}

static void test_migrated(void **state)
{
    (void)state;
    in_a_folder(make_old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_migrated),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
