/* queries: SQL from outside, each in a process of its own (process.h), from its request to its
 * reply.
 *
 *   begun → waiting → running (started; its reply is read as it comes) → done → released
 *
 * The daemon keeps the time: a process that isn't over at its deadline is killed, and so is one
 * whose caller has left, and every one when the daemon ends; nobody waits for any of them. If the
 * daemon is killed, they die with it.
 *
 * What all of them may take is bounded: so many run at a time, since each may take its memory; more
 * wait, for a while, holding neither thread nor reader; the rest are refused. Replies that their
 * callers are slow to read count, too: while those are many, nothing is started.
 *
 * Everything here happens on the loop thread, and none of it makes or reads JSON.
 */
#ifndef ABLATE_SERVER_QUERIES_H
#define ABLATE_SERVER_QUERIES_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QUERIES_RUNNING = 2, /* a quarter of a GiB each, and the time of a core */
    QUERIES_WAITING = 64,
    QUERIES_WAIT_MS = 10000,
    QUERIES_HELD_BYTES = 64 << 20, /* of replies that are being sent */
};

struct datadir;
struct queries;
struct work;

/* Embed in a larger struct; zeroed, then the first five set. The owner keeps it from query_begin
 * until done was called, and then until query_release. */
struct query {
    const char *sql;
    const json_t *params;         /* of store_params.h, checked; NULL = none. Borrowed, as sql is */
    int64_t limit;                /* rows */
    void (*done)(struct query *); /* never inside query_begin */
    void *data;                   /* the owner's */

    int status; /* valid in done: 0, or negative and err */
    struct err err;
    struct buf reply; /* JSON, of process.h; may be taken */

    struct queries *queries; /* queries' own, from here on */
    struct query_run *run;   /* its process; NULL while there is none */
    struct query *next;
    int64_t since_ms;
    size_t held;
};

/* allowed_ms: what a query may take. */
int queries_new(struct work *work, const struct datadir *datadir, int64_t allowed_ms,
                struct queries **ret, struct err *err);
/* Errors, and then done isn't called: TOO_MANY_REQUESTS, UNAVAILABLE, NO_MEMORY. Otherwise done
 * gets those, what process.h says of the SQL, or INTERNAL. */
int query_begin(struct queries *queries, struct query *query, struct err *err);
/* Nobody wants its answer any more: it ends soon. Does nothing to one that isn't under way. */
void query_drop(struct query *query);
/* Its reply was sent or will never be; also of one that query_begin refused, or never saw. */
void query_release(struct query *query);
/* Ends all at once, with UNAVAILABLE, and takes no more. */
void queries_close(struct queries *queries);
/* After the loop has ended. */
void queries_free(struct queries *queries);

#endif
