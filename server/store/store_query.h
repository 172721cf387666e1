/* store_query: a SELECT from outside. It runs on a read-only connection of its own, defensive and
 * without trust in the schema; an authorizer lets only reading through; time, rows, bytes, length
 * and depth are bounded, a row by itself too; one query at a time. */
#ifndef ABLATE_SERVER_STORE_QUERY_H
#define ABLATE_SERVER_STORE_QUERY_H

#include "common/err.h"

#include <jansson.h>
#include <stdint.h>

enum {
    STORE_QUERY_SQL_MAX = 20000,
    STORE_QUERY_ROWS = 10000,
    STORE_QUERY_BYTES = 16 << 20,     /* of a reply, about */
    STORE_QUERY_CELL_BYTES = 2 << 20, /* more than any stored text has */
    STORE_QUERY_COLUMNS = 100,
    STORE_QUERY_MS = 5000
};

/* *ret (the caller's): {columns: [...], rows: [[...]], truncated}. Blobs are hexadecimal,
 * non-finite numbers strings. Errors: BAD_QUERY with SQLite's own words, TOO_MANY_REQUESTS while
 * another query runs, STORAGE. */
int store_query_run(const char *path, const char *sql, int64_t limit, json_t **ret,
                    struct err *err);

#endif
