/* The order matters: limits, then one moment of the database, then the authorizer, then the SQL.
 * Nothing but SQLITE_LIMIT_LENGTH bounds what one function does, and its largest working set is a
 * multiple of that: the heap's limit is what holds, and the process' own limits behind it. */
#include "server/store/store_query.h"

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/store/store_params.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BUSY_MS = 1000,
    TAIL_BYTES = 64 /* of a reply, behind its rows */
};

struct store_view {
    sqlite3 *db;
    enum store_guard guard;
    int64_t as_of, allowed_ms, deadline_ms;
};

int store_query_late(int64_t allowed_ms, struct err *err)
{
    return err_set_at(err, ERR_QUERY_TIME, "/sql", "the query took longer than %g seconds",
                      (double)allowed_ms / 1000);
}

int store_query_too_big(struct err *err)
{
    return err_set_at(err, ERR_QUERY_MEMORY, "/sql", "the query needs more than %d MiB",
                      STORE_QUERY_HEAP_BYTES >> 20);
}

static int refuse(const struct store_view *view, struct err *err)
{
    int extended = sqlite3_extended_errcode(view->db);
    switch (extended == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : extended & 0xff) {
    case SQLITE_INTERRUPT:
        return store_query_late(view->allowed_ms, err);
    case SQLITE_NOMEM:
        return store_query_too_big(err);
    case SQLITE_TOOBIG:
        return err_set_at(err, ERR_QUERY_SIZE, "/sql", "a value has more than %d MiB",
                          STORE_QUERY_CELL_BYTES >> 20);
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_BUSY:
        return err_set(err, ERR_STORAGE, "reading the database: %s", sqlite3_errmsg(view->db));
    default:
        return err_set_at(err, ERR_BAD_QUERY, "/sql", "%s", sqlite3_errmsg(view->db));
    }
}

/* opening */

/* Attempts that were begun by a version that stored the digest of their token still have it. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)arg;
    (void)c;
    (void)d;
    if (action == SQLITE_SELECT || action == SQLITE_RECURSIVE)
        return SQLITE_OK;
    if (action == SQLITE_READ)
        return strcmp(a, "attempts") == 0 && strcmp(b, "token") == 0 ? SQLITE_IGNORE : SQLITE_OK;
    if (action == SQLITE_FUNCTION)
        return strcmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    return SQLITE_DENY;
}

static int is_late(void *arg)
{
    const struct store_view *view = arg;
    return clock_mono_ms() > view->deadline_ms;
}

/* With a wal-index that can be written, a process gone wrong could mislead everybody's readers. */
static void make_uri(const char *path, struct buf *to)
{
    buf_adds(to, "file:");
    for (; *path != '\0'; path++)
        if (strchr("?#%", *path) != NULL)
            buf_addf(to, "%%%02x", (unsigned char)*path);
        else
            buf_addc(to, *path);
    buf_adds(to, "?mode=ro&readonly_shm=1");
}

static void set_limits(sqlite3 *db)
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
        { SQLITE_LIMIT_VARIABLE_NUMBER, STORE_PARAMS },
        { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000 },
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].which, limits[i].value);
}

/* The snapshot: database, log and wal-index are open from here on, and the schema is read. */
static int begin(struct store_view *view)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_exec(view->db,
                            "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = 1; "
                            "PRAGMA cache_size = -4096; BEGIN",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(
            view->db, "SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'", -1, &s, NULL);
    if (code == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        view->as_of = sqlite3_column_int64(s, 0);
    int ended = sqlite3_finalize(s);
    return code != SQLITE_OK ? code : ended;
}

static void put_on_guard(struct store_view *view)
{
    if (view->guard == STORE_UNGUARDED)
        return;
    sqlite3_db_config(view->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(view->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_exec(view->db, "PRAGMA query_only = 1", NULL, NULL, NULL);
    set_limits(view->db);
    /* SQLite declares them when they are first used, by a CREATE that the authorizer refuses. */
    sqlite3_exec(view->db, "SELECT 1 FROM json_each('[]'), json_tree('[]')", NULL, NULL, NULL);
    sqlite3_set_authorizer(view->db, authorize, NULL);
}

int store_query_open(const char *path, enum store_guard guard, struct store_view **ret,
                     struct err *err)
{
    struct store_view *view = calloc(1, sizeof *view);
    struct buf uri;
    if (view == NULL)
        return err_no_memory(err, "the query");
    view->guard = guard;
    buf_init(&uri, 0);
    make_uri(path, &uri);
    sqlite3_hard_heap_limit64(STORE_QUERY_HEAP_BYTES);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    int code = uri.failed ? SQLITE_NOMEM : sqlite3_open_v2(uri.data, &view->db, flags, NULL);
    buf_done(&uri);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(view->db, 1);
        sqlite3_busy_timeout(view->db, BUSY_MS);
        code = begin(view);
    }
    /* A wal-index that was just being written looks as if it needed to be made anew. */
    for (int i = 0; i < BUSY_MS && code == SQLITE_READONLY_RECOVERY; i++) {
        const struct timespec ms = { 0, 1000000 };
        nanosleep(&ms, NULL);
        sqlite3_exec(view->db, "ROLLBACK", NULL, NULL, NULL);
        code = begin(view);
    }
    if (code != SQLITE_OK) {
        int status =
            (code & 0xff) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM
                ? err_no_memory(err, "the query")
                : err_set(err, ERR_STORAGE, "can't read the store: %s", sqlite3_errmsg(view->db));
        store_query_close(view);
        return status;
    }
    put_on_guard(view);
    *ret = view;
    return 0;
}

void store_query_close(struct store_view *view)
{
    if (view != NULL)
        sqlite3_close(view->db);
    free(view);
}

/* the reply */

static void add_text(const char *text, size_t len, struct buf *to)
{
    if (text != NULL && utf8_valid(text, len, NULL))
        jsonx_dump_string(text, len, to);
    else
        buf_adds(to, "\"(not UTF-8)\"");
}

static void add_hex(const unsigned char *bytes, int len, struct buf *to)
{
    static const char digits[] = "0123456789abcdef";
    buf_addc(to, '"');
    for (int i = 0; i < len && !to->failed; i++)
        buf_add(to, (const char[]){ digits[bytes[i] >> 4], digits[bytes[i] & 15] }, 2);
    buf_addc(to, '"');
}

static void add_cell(sqlite3_stmt *s, int column, struct buf *to)
{
    switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER:
        buf_addf(to, "%lld", (long long)sqlite3_column_int64(s, column));
        break;
    case SQLITE_FLOAT:
        jsonx_dump_double(sqlite3_column_double(s, column), to);
        break;
    case SQLITE_NULL:
        buf_adds(to, "null");
        break;
    case SQLITE_BLOB: {
        const unsigned char *blob = sqlite3_column_blob(s, column);
        add_hex(blob, blob != NULL ? sqlite3_column_bytes(s, column) : 0, to);
        break;
    }
    default: {
        const char *text = (const char *)sqlite3_column_text(s, column);
        add_text(text, (size_t)sqlite3_column_bytes(s, column), to);
    }
    }
}

static void add_row(sqlite3_stmt *s, int n, struct buf *to)
{
    buf_addc(to, '[');
    for (int i = 0; i < n && !to->failed; i++) {
        buf_adds(to, i > 0 ? "," : "");
        add_cell(s, i, to);
    }
    buf_addc(to, ']');
}

static void add_columns(sqlite3_stmt *s, int n, struct buf *to)
{
    buf_adds(to, "{\"columns\":[");
    for (int i = 0; i < n; i++) {
        const char *name = sqlite3_column_name(s, i);
        buf_adds(to, i > 0 ? "," : "");
        add_text(name, name != NULL ? strlen(name) : 0, to);
    }
    buf_adds(to, "],\"rows\":[");
}

static int answer(const struct store_view *view, sqlite3_stmt *s, int64_t limit, struct buf *to,
                  struct err *err)
{
    int n = sqlite3_column_count(s), code;
    bool truncated = false;
    to->limit = STORE_QUERY_BYTES - TAIL_BYTES;
    add_columns(s, n, to);
    for (int64_t rows = 0; (code = sqlite3_step(s)) == SQLITE_ROW; rows++) {
        size_t before = to->len;
        if (rows < limit) {
            buf_adds(to, rows > 0 ? "," : "");
            add_row(s, n, to);
        }
        if (sqlite3_errcode(view->db) == SQLITE_NOMEM) /* of a value that had to be made whole */
            return refuse(view, err);
        truncated = rows == limit || to->failed;
        if (to->failed)
            buf_cut(to, before);
        if (truncated)
            break;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return refuse(view, err);
    to->limit = STORE_QUERY_BYTES;
    buf_addf(to, "],\"truncated\":%s,\"as_of\":%lld}\n", truncated ? "true" : "false",
             (long long)view->as_of);
    return to->failed ? store_query_too_big(err) : 0;
}

static bool is_space(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

int store_query_run(struct store_view *view, const char *sql, const json_t *params, int64_t limit,
                    int64_t allowed_ms, struct buf *to, struct err *err)
{
    sqlite3_stmt *s = NULL;
    const char *tail = "";
    int status;
    view->allowed_ms = allowed_ms;
    view->deadline_ms = clock_mono_ms() + allowed_ms;
    sqlite3_progress_handler(view->db, 1000, is_late, view);
    if (sqlite3_prepare_v2(view->db, sql, -1, &s, &tail) != SQLITE_OK)
        status = refuse(view, err);
    else if (s == NULL || !is_space(tail))
        status = err_set_at(err, ERR_BAD_QUERY, "/sql", "give exactly one SELECT");
    else if (view->guard == STORE_GUARDED &&
             (!sqlite3_stmt_readonly(s) || sqlite3_column_count(s) == 0))
        status = err_set_at(err, ERR_BAD_QUERY, "/sql", "only a SELECT is taken");
    else if ((status = store_params_bind(s, params, err)) == 0)
        status = answer(view, s, limit, to, err);
    sqlite3_finalize(s);
    return status;
}
