/* store_rows: inside store/ only: statements of the table (store_sql.h) with their parameters, and
 * what is read of their rows.
 */
#ifndef ABLATE_SERVER_STORE_ROWS_H
#define ABLATE_SERVER_STORE_ROWS_H

#include "common/base/err.h"
#include "server/store/store_sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* The statement, ready to step, its parameters bound by a format: i int64_t, d double, t a text
 * (const char *; NULL is bound as NULL), n NULL. It stays the store's. Errors: NO_MEMORY, STORAGE,
 * BAD_DATA, when it can't be prepared. */
int store_query(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err,
                const char *format, ...);
/* 1 = a row, 0 = done, negative = error; the statement is reset unless there is a row. */
int store_step(struct store *store, sqlite3_stmt *statement, struct err *err);
/* Both: what store_step says of the first row. *ret is set when there is one, and the caller resets
 * it when it has read that. */
int store_first(struct store *store, enum sql id, sqlite3_stmt **ret, struct err *err,
                const char *format, ...);
/* How rows of a statement become an array. read gets a zeroed element; done frees what it holds,
 * and may be NULL. */
struct store_rows {
    size_t size;
    void (*read)(sqlite3_stmt *statement, void *row);
    void (*done)(void *row);
};
/* Every row, as an array of the caller's; *ret points to the array's pointer. Errors: NO_MEMORY. */
int store_all(struct store *store, enum sql id, const struct store_rows *rows, void **ret,
              size_t *ret_n, struct err *err, const char *format, ...);
/* 0 and the statement at its row, which the caller resets, of a run, or of one of its attempts.
 * Errors: NOT_FOUND. */
int store_find_run(struct store *store, enum sql id, int64_t run, sqlite3_stmt **ret,
                   struct err *err);
int store_find_attempt(struct store *store, enum sql id, int64_t run, int64_t attempt,
                       sqlite3_stmt **ret, struct err *err);
/* Prepare, bind, step to the end. *ret_changes (may be NULL): rows changed. */
int store_run_sql(struct store *store, enum sql id, int64_t *ret_changes, struct err *err,
                  const char *format, ...);
/* One integer: 0 and *ret, or `missing` when there is no row. */
int store_get_int(struct store *store, enum sql id, int64_t missing, int64_t *ret, struct err *err,
                  const char *format, ...);

/* Copies of column values. Text is duplicated ("" for NULL unless null_stays), and the caller's
 * (free); NULL also when memory runs out, which is noted (common/base/shortage.h). */
char *store_text(sqlite3_stmt *statement, int column, bool null_stays);
void store_text_into(sqlite3_stmt *statement, int column, char *ret, size_t size);

/* NaN for NULL. */
double store_real(sqlite3_stmt *statement, int column);
/* A metric's value; its kind stands in the next column. */
double store_metric_value(sqlite3_stmt *statement, int column);

/* Grows a vector of rows by one: returns the new, zeroed element, or NULL. */
void *store_grow(void **items, size_t *n, size_t item_size);

#endif
