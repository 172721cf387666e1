#include "server/store/store_query.h"

#include "common/clock.h"
#include "common/jsonx.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)arg;
    (void)c;
    (void)d;
    if (action == SQLITE_SELECT || action == SQLITE_RECURSIVE)
        return SQLITE_OK;
    if (action == SQLITE_READ)
        /* not even the digests of workers' tokens are anybody's business */
        return strcmp(a, "attempts") == 0 && strcmp(b, "token") == 0 ? SQLITE_IGNORE : SQLITE_OK;
    if (action == SQLITE_FUNCTION)
        return strcmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    return SQLITE_DENY;
}

static int is_late(void *arg)
{
    return clock_mono_ms() > *(const int64_t *)arg;
}

static int open_own(const char *path, sqlite3 **ret, struct err *err)
{
    static const struct {
        int which, value;
    } limits[] = {
        { SQLITE_LIMIT_LENGTH, STORE_QUERY_CELL_BYTES },
        { SQLITE_LIMIT_SQL_LENGTH, STORE_QUERY_SQL_MAX },
        { SQLITE_LIMIT_EXPR_DEPTH, 100 },
        { SQLITE_LIMIT_COMPOUND_SELECT, 20 },
        { SQLITE_LIMIT_COLUMN, STORE_QUERY_COLUMNS },
        { SQLITE_LIMIT_VDBE_OP, 100000 },
        { SQLITE_LIMIT_ATTACHED, 0 },
        { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000 },
    };
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        int status = err_set(err, ERR_STORAGE, "can't open the store: %s", sqlite3_errmsg(db));
        sqlite3_close(db);
        return status;
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_exec(db, "PRAGMA query_only = 1; PRAGMA cell_size_check = 1; PRAGMA cache_size = -4096",
                 NULL, NULL, NULL);
    sqlite3_busy_timeout(db, 1000);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].which, limits[i].value);
    *ret = db;
    return 0;
}

static json_t *cell(sqlite3_stmt *s, int column, size_t *bytes)
{
    static const char digits[] = "0123456789abcdef";
    *bytes += 16;
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(s, column));
    case SQLITE_FLOAT:
        return jsonx_number(sqlite3_column_double(s, column));
    case SQLITE_NULL:
        return json_null();
    case SQLITE_BLOB: {
        const unsigned char *blob = sqlite3_column_blob(s, column);
        struct buf hex;
        buf_init(&hex, 0);
        for (int i = 0; i < sqlite3_column_bytes(s, column); i++) {
            buf_addc(&hex, digits[blob[i] >> 4]);
            buf_addc(&hex, digits[blob[i] & 15]);
        }
        *bytes += hex.len;
        json_t *text = json_string(hex.data != NULL ? hex.data : "");
        buf_done(&hex);
        return text;
    }
    default: {
        int len = sqlite3_column_bytes(s, column);
        *bytes += (size_t)len;
        json_t *text = json_stringn((const char *)sqlite3_column_text(s, column), (size_t)len);
        return text != NULL ? text : json_string("(not UTF-8)");
    }
    }
}

static int collect(sqlite3_stmt *s, int64_t limit, json_t **ret, struct err *err)
{
    int n = sqlite3_column_count(s), code;
    json_t *columns = json_array(), *rows = json_array();
    size_t bytes = 0;
    bool truncated = false;
    for (int i = 0; i < n; i++)
        json_array_append_new(columns, json_string(sqlite3_column_name(s, i)));
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        truncated = (int64_t)json_array_size(rows) == limit;
        json_t *row = json_array();
        for (int i = 0; i < n && !truncated; i++) {
            json_array_append_new(row, cell(s, i, &bytes));
            truncated = bytes > STORE_QUERY_BYTES;
        }
        if (truncated) {
            json_decref(row);
            break;
        }
        json_array_append_new(rows, row);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        json_decref(columns);
        json_decref(rows);
        return err_set_at(err, ERR_BAD_QUERY, "/sql", "%s",
                          code == SQLITE_INTERRUPT ? "the query took longer than 5 seconds"
                                                   : sqlite3_errmsg(sqlite3_db_handle(s)));
    }
    *ret =
        json_pack("{s:o, s:o, s:b}", "columns", columns, "rows", rows, "truncated", (int)truncated);
    return 0;
}

static bool is_space(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

int store_query_run(const char *path, const char *sql, int64_t limit, json_t **ret, struct err *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    const char *tail = "";
    if (pthread_mutex_trylock(&one_at_a_time) != 0)
        return err_set(err, ERR_TOO_MANY_REQUESTS, "another query is running; one runs at a time");
    int64_t deadline = clock_mono_ms() + STORE_QUERY_MS;
    int status = open_own(path, &db, err);
    if (status == 0) {
        sqlite3_progress_handler(db, 1000, is_late, &deadline);
        sqlite3_set_authorizer(db, authorize, NULL);
        if (sqlite3_prepare_v2(db, sql, -1, &s, &tail) != SQLITE_OK)
            status = err_set_at(err, ERR_BAD_QUERY, "/sql", "%s", sqlite3_errmsg(db));
        else if (s == NULL || !is_space(tail))
            status = err_set_at(err, ERR_BAD_QUERY, "/sql", "give exactly one SELECT");
        else if (!sqlite3_stmt_readonly(s) || sqlite3_column_count(s) == 0)
            status = err_set_at(err, ERR_BAD_QUERY, "/sql", "only a SELECT is taken");
    }
    if (status == 0)
        status = collect(s, limit, ret, err);
    sqlite3_finalize(s);
    sqlite3_close(db);
    pthread_mutex_unlock(&one_at_a_time);
    return status;
}
