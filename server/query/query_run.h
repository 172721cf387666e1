/* query_run: the process of one query (process.h), from its start on the pool to its reply (query/
 * only). On the loop thread; it waits for nobody. */
#ifndef ABLATE_SERVER_QUERY_RUN_H
#define ABLATE_SERVER_QUERY_RUN_H

#include "common/base/err.h"

#include <limits.h>
#include <stdint.h>

struct query;
struct query_run;
struct work;

/* What all of them have in common; outlives them. */
struct query_host {
    struct work *work;
    char database[PATH_MAX], program[64];
    int64_t allowed_ms; /* what a query may take */
};

/* Starts a process for query->sql, params and limit; query->run is it until it has ended: then
 * status, err and reply are set, and `ended` is called, never inside this. */
void query_run_start(const struct query_host *host, struct query *query,
                     void (*ended)(struct query *));
/* It ends soon, for this reason; the first reason is the one that is told. */
void query_run_kill(struct query_run *run, const struct err *why);
/* It has ended now, for this reason: `ended` is called inside. */
void query_run_abandon(struct query_run *run, const struct err *why);

#endif
