/* store_query: a SELECT from outside, for a process of its own (server/query/process.h).
 *
 * It runs on a read-only connection, defensive and without trust in the schema, whose wal-index is
 * read-only too; an authorizer lets only reading through; time, memory, rows, bytes, length and
 * depth are bounded. Opening begins the one read transaction that there is: whatever SQLite opens,
 * it has opened then, so that the process can give up opening before it sees the SQL.
 *
 * The reply is written as JSON, row by row: what is bounded is its encoded bytes.
 */
#ifndef ABLATE_SERVER_STORE_QUERY_H
#define ABLATE_SERVER_STORE_QUERY_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    STORE_QUERY_SQL_MAX = 20000,
    STORE_QUERY_ROWS = 10000,
    STORE_QUERY_BYTES = 16 << 20,       /* of a reply, encoded */
    STORE_QUERY_CELL_BYTES = 2 << 20,   /* more than any stored text has */
    STORE_QUERY_HEAP_BYTES = 256 << 20, /* of SQLite's in this process */
    STORE_QUERY_COLUMNS = 100,
    STORE_QUERY_MS = 5000
};

struct store_view;

enum store_guard {
    STORE_GUARDED,
    STORE_UNGUARDED /* for tests of the process around it: any statement, on the same connection */
};

/* Opens the database at path as it is now; a daemon must have it open. Bounds the memory of all of
 * SQLite in this process. Errors: STORAGE, NO_MEMORY. */
int store_query_open(const char *path, enum store_guard guard, struct store_view **ret,
                     struct err *err);
/* Appends {"columns":[...],"rows":[[...]],"truncated":...,"as_of":...} to `to`. Blobs are
 * hexadecimal, non-finite numbers strings; a row that doesn't fit any more ends the reply, as
 * truncated. params: of store_params.h, or NULL; borrowed. allowed_ms is looked at between steps, not
 * inside a function. Errors: those of store_params_bind; at /sql BAD_QUERY with SQLite's own words, QUERY_TIME, QUERY_MEMORY, QUERY_SIZE; STORAGE. */
int store_query_run(struct store_view *view, const char *sql, const json_t *params, int64_t limit,
                    int64_t allowed_ms, struct buf *to, struct err *err);
void store_query_close(struct store_view *view);

/* The errors that the process' end tells of as well. */
int store_query_late(int64_t allowed_ms, struct err *err);
int store_query_too_big(struct err *err);

#endif
