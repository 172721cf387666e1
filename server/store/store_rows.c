/* A statement is prepared when it is first asked for, and stays. */
#include "server/store/store_rows.h"

#include "common/base/shortage.h"
#include "server/store/store_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const statement_texts[SQL_COUNT] = {
#define SQL_ROW(id, text) [SQL_##id] = text,
    SQL_TABLE(SQL_ROW)
#undef SQL_ROW
};

static int prepare(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err)
{
    sqlite3_stmt **slot = &store->statements[id];
    if (*slot == NULL) {
        if (sqlite3_prepare_v3(store->db, statement_texts[id], -1, SQLITE_PREPARE_PERSISTENT, slot,
                               NULL) != SQLITE_OK)
            return store_error(store, err, "preparing a statement");
    } else {
        sqlite3_reset(*slot);
        sqlite3_clear_bindings(*slot);
    }
    *ret = *slot;
    return 0;
}

static int query(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err,
                 const char *format, va_list args)
{
    sqlite3_stmt *statement = NULL;
    int status = prepare(store, id, &statement, err);
    if (status != 0)
        return status;
    int code = SQLITE_OK;
    for (int i = 1; *format != '\0' && code == SQLITE_OK; format++, i++) {
        switch (*format) {
        case 'i':
            code = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
            break;
        case 'd':
            code = sqlite3_bind_double(statement, i, va_arg(args, double));
            break;
        case 't':
            code =
                sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
            break;
        default:
            code = sqlite3_bind_null(statement, i);
        }
    }
    if (code != SQLITE_OK)
        return store_error(store, err, "a parameter of a statement");
    *ret = statement;
    return 0;
}

int store_query(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = query(store, id, ret, err, format, args);
    va_end(args);
    return status;
}

int store_step(struct store *store, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    int status = code == SQLITE_DONE ? 0 : store_error(store, err, "the database");
    sqlite3_reset(statement);
    return status;
}

/* store_query and the first step. */
static int first(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err,
                 const char *format, va_list args)
{
    sqlite3_stmt *statement = NULL;
    int status = query(store, id, &statement, err, format, args);
    if (status == 0)
        status = store_step(store, statement, err);
    if (status == 1)
        *ret = statement;
    return status;
}

int store_first(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = first(store, id, ret, err, format, args);
    va_end(args);
    return status;
}

int store_find_run(struct store *store, enum sql id, int64_t run, sqlite3_stmt **ret,
                   struct err *err)
{
    int status = store_first(store, id, ret, err, "i", run);
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no run %lld", (long long)run);
    return status < 0 ? status : 0;
}

int store_find_attempt(struct store *store, enum sql id, int64_t run, int64_t attempt,
                       sqlite3_stmt **ret, struct err *err)
{
    int status = store_first(store, id, ret, err, "ii", run, attempt);
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "run %lld has no attempt %lld", (long long)run,
                       (long long)attempt);
    return status < 0 ? status : 0;
}

int store_run_sql(struct store *store, enum sql id, int64_t *ret_changes, struct err *err,
                  const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list args;
    va_start(args, format);
    int status = first(store, id, &statement, err, format, args);
    va_end(args);
    while (status == 1)
        status = store_step(store, statement, err);
    if (status == 0 && ret_changes != NULL)
        *ret_changes = sqlite3_changes64(store->db);
    return status;
}

int store_get_int(struct store *store, enum sql id, int64_t missing, int64_t *ret, struct err *err,
                  const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list args;
    va_start(args, format);
    int status = first(store, id, &statement, err, format, args);
    va_end(args);
    if (status < 0)
        return status;
    *ret = status == 1 ? sqlite3_column_int64(statement, 0) : missing;
    sqlite3_reset(statement);
    return 0;
}

int store_all(struct store *store, enum sql id, const struct store_rows *rows, void **ret,
              size_t *ret_n, struct err *err, const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    void *items = NULL;
    size_t n = 0;
    va_list args;
    va_start(args, format);
    int status = first(store, id, &statement, err, format, args);
    va_end(args);
    for (; status == 1; status = store_step(store, statement, err)) {
        void *item = store_grow(&items, &n, rows->size);
        if (item == NULL) {
            sqlite3_reset(statement);
            status = err_no_memory(err, "%zu rows of the database", n + 1);
            break;
        }
        rows->read(statement, item);
    }
    if (status != 0) {
        for (size_t i = 0; i < n && rows->done != NULL; i++)
            rows->done((char *)items + i * rows->size);
        free(items);
        return status;
    }
    *ret = items;
    *ret_n = n;
    return 0;
}

char *store_text(sqlite3_stmt *statement, int column, bool null_stays)
{
    bool is_null = sqlite3_column_type(statement, column) == SQLITE_NULL;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (text == NULL && !is_null)
        shortage_note();
    if (text == NULL && null_stays)
        return NULL;
    return shortage_strdup(text != NULL ? text : "");
}

void store_text_into(sqlite3_stmt *statement, int column, char *ret, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    snprintf(ret, size, "%s", text != NULL ? text : "");
}

double store_metric_value(sqlite3_stmt *s, int column)
{
    static const double words[] = { 0, NAN, INFINITY, -INFINITY };
    int kind = sqlite3_column_int(s, column + 1) & 3;
    return kind == 0 ? sqlite3_column_double(s, column) : words[kind];
}

double store_real(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? (double)NAN
                                                         : sqlite3_column_double(s, column);
}

void *store_grow(void **items, size_t *n, size_t item_size)
{
    /* Doubles at powers of two, so that no second counter is needed. */
    if ((*n & (*n - 1)) == 0) {
        void *more = reallocarray(*items, *n == 0 ? 1 : *n * 2, item_size);
        if (more == NULL)
            return NULL;
        *items = more;
    }
    char *item = (char *)*items + (*n)++ * item_size;
    memset(item, 0, item_size);
    return item;
}
