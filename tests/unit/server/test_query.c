/* Hostile and wrong SELECTs against a store with rows in it. */
#include "tests/unit/server/fixture.h"

#include "common/jsonx.h"
#include "server/store/store_query.h"

struct base {
    char folder[64], path[128];
};

static int set_up(void **state)
{
    struct base *b = calloc(1, sizeof *b);
    struct err err;
    fixture_folder(b->folder);
    snprintf(b->path, sizeof b->path, "%s/ablate.db", b->folder);
    struct store *store = fixture_store(b->folder);
    assert_ok(store_begin(store, &err), err);
    fixture_experiment(store, 3, 0, 1, false);
    assert_ok(store_commit(store, &err), err);
    store_close(store);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct base *b = *state;
    fixture_remove_folder(b->folder);
    free(b);
    return 0;
}

static void assert_answer(const struct base *b, const char *sql, int64_t limit, const char *want)
{
    json_t *result = NULL;
    struct err err = { 0 };
    struct buf text;
    buf_init(&text, 0);
    assert_ok(store_query_run(b->path, sql, limit, &result, &err), err);
    jsonx_dump(result, JSONX_KEEP_ORDER, &text);
    assert_string_equal(text.data, want);
    buf_done(&text);
    json_decref(result);
}

static void test_answers(void **state)
{
    const struct base *b = *state;
    assert_answer(b, "SELECT id, arm FROM runs ORDER BY id", 2,
                  "{\"columns\":[\"id\",\"arm\"],\"rows\":[[1,\"a0\"],[2,\"a1\"]],"
                  "\"truncated\":true}");
    assert_answer(b, "SELECT count(*) FROM v_runs;\n", 10,
                  "{\"columns\":[\"count(*)\"],\"rows\":[[3]],\"truncated\":false}");
    assert_answer(b, "SELECT NULL, -9e999, x'0aff', CAST(x'ff' AS TEXT) AS t", 10,
                  "{\"columns\":[\"NULL\",\"-9e999\",\"x'0aff'\",\"t\"],"
                  "\"rows\":[[null,\"-inf\",\"0aff\",\"(not UTF-8)\"]],\"truncated\":false}");
    assert_answer(b, "SELECT 1 WHERE 0", 10,
                  "{\"columns\":[\"1\"],\"rows\":[],\"truncated\":false}");
    /* every value allowed by itself, the row too much */
    assert_answer(b,
                  "SELECT zeroblob(2e6) a, zeroblob(2e6) b, zeroblob(2e6) c, zeroblob(2e6) d, "
                  "zeroblob(2e6) e",
                  10,
                  "{\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"rows\":[],\"truncated\":true}");
}

static void test_refused(void **state)
{
    static const char *const refused[] = {
        "",
        ";",
        "/* nothing */",
        "SELECT",
        "SELECT 1; SELECT 2",
        "SELECT 1; -- and a comment that hides nothing\nDELETE FROM runs",
        "DELETE FROM runs",
        "INSERT INTO settings VALUES ('a', 'b')",
        "UPDATE runs SET seed = 9 RETURNING id",
        "REPLACE INTO settings VALUES ('a', 'b')",
        "WITH x AS (SELECT 1) DELETE FROM runs",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "DROP VIEW v_runs",
        "ALTER TABLE runs RENAME TO walks",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '/tmp/ablate-query-copy.db'",
        "REINDEX",
        "ANALYZE",
        "PRAGMA user_version",
        "PRAGMA user_version = 9",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "SELECT * FROM pragma_user_version",
        "BEGIN",
        "SAVEPOINT a",
        "EXPLAIN DELETE FROM runs",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT * FROM nothing",
        "SELECT zeroblob(3000000)",
        "SELECT randomblob(1000000000)",
        "SELECT group_concat(zeroblob(1000000)) FROM runs",
    };
    const struct base *b = *state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        json_t *result = NULL;
        struct err err = { 0 };
        if (store_query_run(b->path, refused[i], 100, &result, &err) != -ERR_BAD_QUERY)
            fail_msg("%s: %s: %s", refused[i], err_name(err.code), err.message);
        assert_null(result);
        assert_string_equal(err.pointer, "/sql");
        assert_true(strlen(err.message) > 0);
    }
    assert_answer(b, "SELECT count(*) AS n FROM runs WHERE seed < 3", 1,
                  "{\"columns\":[\"n\"],\"rows\":[[3]],\"truncated\":false}");
}

/* The bytes of a reply are bounded whatever the limit of rows. */
static void test_bytes(void **state)
{
    const struct base *b = *state;
    json_t *result = NULL;
    struct err err = { 0 };
    assert_ok(store_query_run(b->path,
                              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                              "WHERE i < 9000) SELECT zeroblob(10000) FROM n",
                              STORE_QUERY_ROWS, &result, &err),
              err);
    size_t rows = json_array_size(json_object_get(result, "rows"));
    assert_true(json_is_true(json_object_get(result, "truncated")));
    assert_true(rows > 0 && rows <= STORE_QUERY_BYTES / 20000);
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
