/* SQL from outside: it changes nothing, and never sees the digest of a worker's token. */
#include "common/jsonx.h"
#include "server/store/store.h"
#include "server/store/store_query.h"
#include "tests/fuzz/fuzz.h"

#include <sqlite3.h>

#define SECRET "5ec2e7"

static sqlite3 *watch; /* sees whether somebody else has changed the file */

static int64_t ask(const char *sql)
{
    sqlite3_stmt *s = NULL;
    FUZZ_CHECK(sqlite3_prepare_v2(watch, sql, -1, &s, NULL) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_step(s) == SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

/* What must not be seen. */
static const char rows[] =
    "PRAGMA foreign_keys = 0;"
    "INSERT INTO attempts (run, attempt, token, started_at) VALUES (1, 1, '" SECRET "', 0)";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct store *store = NULL;
    struct err err;
    (void)argc;
    (void)argv;
    FUZZ_CHECK(store_open(fuzz_path("ablate.db"), STORE_WRITER, &store, &err) == 0);
    FUZZ_CHECK(sqlite3_open(fuzz_path("ablate.db"), &watch) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_exec(watch, rows, NULL, NULL, NULL) == SQLITE_OK);
    FUZZ_CHECK(ask("SELECT count(*) FROM attempts WHERE token = '" SECRET "'") == 1);
    store_close(store);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = { 0 };
    json_t *result = NULL;
    if (size > STORE_QUERY_SQL_MAX)
        return 0;
    char *sql = fuzz_text(data, size);
    int64_t version = ask("PRAGMA data_version");
    int status = store_query_run(fuzz_path("ablate.db"), sql, 100, &result, &err);
    FUZZ_CHECK(ask("PRAGMA data_version") == version);
    FUZZ_CHECK(ask("SELECT count(*) FROM attempts WHERE token = '" SECRET "'") == 1);
    if (status != 0) {
        fuzz_refused(status, &err);
    } else if (strstr(sql, SECRET) == NULL) {
        struct buf text;
        buf_init(&text, 0);
        jsonx_dump(result, 0, &text);
        FUZZ_CHECK(!text.failed && strstr(text.data, SECRET) == NULL);
        buf_done(&text);
    }
    json_decref(result);
    free(sql);
    return 0;
}
