/* SQL from outside: whatever it is, it changes nothing and is answered by JSON or a problem.
 * Without the process around it, whose walls aren't SQLite's. */
#include "server/store/store.h"
#include "server/store/store_query.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <sqlite3.h>

enum { ALLOWED_MS = 2000 };

static sqlite3 *watch; /* sees whether somebody else has changed the file; keeps its log there */

static int64_t ask(const char *sql)
{
    sqlite3_stmt *s = NULL;
    FUZZ_CHECK(sqlite3_prepare_v2(watch, sql, -1, &s, NULL) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_step(s) == SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char rows[] =
        "PRAGMA foreign_keys = 0;"
        "INSERT INTO attempts (run, attempt, token, started_at) VALUES (1, 1, '', 0)";
    struct store *store = NULL;
    struct err err;
    (void)argc;
    (void)argv;
    FUZZ_CHECK(store_open(fuzz_path("ablate.db"), STORE_WRITER, &store, &err) == 0);
    FUZZ_CHECK(sqlite3_open(fuzz_path("ablate.db"), &watch) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_exec(watch, rows, NULL, NULL, NULL) == SQLITE_OK);
    store_close(store);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = { 0 };
    struct store_view *view = NULL;
    struct buf text;
    json_t *reply = NULL;
    if (size > STORE_QUERY_SQL_MAX)
        return 0;
    char *sql = fuzz_text(data, size);
    int64_t version = ask("PRAGMA data_version");
    buf_init(&text, 0);
    FUZZ_CHECK(store_query_open(fuzz_path("ablate.db"), STORE_GUARDED, &view, &err) == 0);
    int status = store_query_run(view, sql, NULL, 100, ALLOWED_MS, &text, &err);
    store_query_close(view);
    FUZZ_CHECK(ask("PRAGMA data_version") == version);
    FUZZ_CHECK(ask("SELECT count(*) FROM attempts") == 1);
    if (status != 0) {
        fuzz_refused(status, &err);
    } else {
        FUZZ_CHECK(text.len <= STORE_QUERY_BYTES);
        /* SQL may make a text with a zero in it, "\u0000" in JSON. */
        FUZZ_CHECK((reply = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL)) != NULL);
    }
    json_decref(reply);
    buf_done(&text);
    free(sql);
    return 0;
}
