/* store_priv: inside store/ only: the connection, its statements, and the few lines that every
 * query needs. store.c defines what has no other file named at it.
 */
#ifndef ABLATE_SERVER_STORE_PRIV_H
#define ABLATE_SERVER_STORE_PRIV_H

#include "server/store/runs/store_audits.h"
#include "server/store/store.h"
#include "server/store/store_identity.h"
#include "server/store/store_sql.h"

#include <sqlite3.h>

/* What a transaction touched: one entry a thing and savepoint, in order of first touch
 * (store_touches.c). */
struct touch {
    enum event_kind kind;
    int64_t experiment, run, id; /* id: audit */
    int64_t name, from, to;      /* metrics */
    char *data;                  /* log; owned */
    bool ended;                  /* run: it came to a terminal state */
    size_t next; /* the index + 1 of an older touch with the same hash; 0 = there is none */
};

struct touches {
    struct touch *of;
    size_t n, size, mark; /* mark: where the savepoint begins */
    size_t *heads;        /* [size]: index + 1 of the newest touch of each hash; 0 = none */
    bool lost;            /* memory ran out for one: the transaction can't be told of, and fails */
};

/* What to do about a database that can't be read. */
#define STORE_DAMAGED_ADVICE                                                                       \
    "Keep it, and restore a backup into another folder (ablated restore --data NEW BACKUP); "      \
    "without one, `sqlite3 FILE .recover` saves what can be read"

struct store {
    sqlite3 *db;
    enum store_mode mode;
    char database[STORE_IDENTITY_HEX + 1]; /* a writer's; "" = not known yet */
    int64_t changes_before;
    bool damaged; /* the disk or the file has failed: only recovery at the next start can tell */
    struct touches touches;
    sqlite3_stmt *statements[SQL_COUNT];
};

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
 * Errors: NOT_FOUND. (runs/store_runs.c, runs/store_attempts.c) */
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
/* Fills err with what failed last on the connection, and returns its code: NO_MEMORY, DISK_FULL,
 * BAD_DATA, UNAVAILABLE (a lock), STORAGE. `doing` names what was being done. */
int store_error(struct store *store, struct err *err, const char *doing);
/* Whether what failed last failed for want of room on the disk. */
bool store_lacks_room(sqlite3 *db);
/* SQL text that isn't in the table: pragmas, migrations. */
int store_execute(struct store *store, const char *sql, struct err *err);
/* The first column of its first row, as an integer. */
int store_read_int(struct store *store, const char *sql, int64_t *ret, struct err *err);

/* store_migrate.c. store_check_ours, before anything is written: BAD_DATA for a foreign database, and one
 * of a newer version. */
int store_check_ours(struct store *store, const char *path, struct err *err);
int store_migrate(struct store *store, const char *path, struct err *err);

/* runs/store_cells.c, store_parts.c: what the migrations call that SQL doesn't have. */
int store_cells_define(struct store *store, struct err *err);
int store_parts_define(struct store *store, struct err *err);

/* Copies of column values. Text is duplicated ("" for NULL unless null_stays), and the caller's
 * (free); NULL also when memory runs out. */
char *store_text(sqlite3_stmt *statement, int column, bool null_stays);
void store_text_into(sqlite3_stmt *statement, int column, char *ret, size_t size);

/* curves/store_series.c. NaN for NULL. */
double store_real(sqlite3_stmt *statement, int column);
/* A metric's value; its kind stands in the next column. */
double store_metric_value(sqlite3_stmt *statement, int column);

/* Grows a vector of rows by one: returns the new, zeroed element, or NULL. */
void *store_grow(void **items, size_t *n, size_t item_size);

/* runs/store_touches.c. A savepoint begins here. */
void store_touches_mark(struct store *store);
/* Forgets what was touched since the mark. */
void store_touches_rollback(struct store *store);
/* Forgets everything; done also frees the list. */
void store_touches_clear(struct store *store);
void store_touches_done(struct store *store);

#endif
