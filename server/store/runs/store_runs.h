/* store_runs: runs: one, and filtered pages. Of experiments is store_experiments.h, of attempts and
 * the queue store_attempts.h, of what a person asks of runs store_transitions.h, of datasets
 * store_datasets.h.
 *
 * The states of a run:
 *
 *   queued → running → succeeded, failed or cancelled
 *   queued → cancelled                    by a cancel
 *   running → queued                      for another attempt
 *   failed, cancelled → queued            by a retry
 *
 * Every function that changes a state does it by an UPDATE with the old state in its WHERE, so that
 * the first commit wins.
 *
 * Functions that read take any store; functions that write are the writer's. Arrays in *ret are the
 * caller's: the rows' _done of each, then free. Errors of all: those of store_priv.h's store_error;
 * others are named.
 */
#ifndef ABLATE_SERVER_STORE_RUNS_H
#define ABLATE_SERVER_STORE_RUNS_H

#include "common/base/digest.h"
#include "server/store/store.h"

enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED, RUN_STATES };
extern const char *const run_state_names[];    /* NULL at the end */
enum run_state run_state_of(const char *name); /* RUN_FAILED when there is none of that name */

/* Of a run's newest verification (store_replay.h). */
enum verify_state {
    VERIFY_NONE, /* none was ever asked for */
    VERIFY_QUEUED,
    VERIFY_RUNNING,
    VERIFY_IDENTICAL,
    VERIFY_DIFFERS,
    VERIFY_FAILED,  /* it didn't come to its end */
    VERIFY_SKIPPED, /* it says nothing: another environment, cancelled */
    VERIFY_STATES
};
extern const char *const verify_state_names[]; /* NULL at the end; "" for none */
enum verify_state verify_state_of(const char *name);
/* Queued or running. */
bool verify_is_open(enum verify_state state);

enum { STORE_TOKEN_BYTES = 2048 }; /* of a page's token */

struct run_row {
    int64_t id, experiment, seed, priority, attempt, max_attempts, step, steps;
    int64_t parameters, memory_bytes, created_at, started_at, ended_at; /* 0 = none */
    double flops_per_step;
    enum run_state state;
    bool cancel, exclusive;
    char *arm, *grid, *reason, *digest, *dataset_digest; /* owned; grid is JSON text */
    char *spec;                                          /* owned JSON text; NULL in lists */
    char *auditing; /* owned: the audit that it makes; NULL = none */
    struct run_verify {
        enum verify_state state;
        bool cancel;
        int64_t attempt, compared; /* attempt 0 = not started */
        char *reason, *difference; /* owned; difference: attempts.difference, or NULL */
    } verify;
    struct run_final {
        const char *name; /* owned by the row */
        double value;     /* last value; may be nan or infinite */
        double best;      /* least finite value */
        double greatest;  /* greatest finite value */
        double mean;      /* of a clock metric without the first step, which warms caches up */
        int64_t step, count, nonfinite;
    } * finals;
    size_t finals_n;
};
void run_row_done(struct run_row *row);

/* With its spec. Errors: NOT_FOUND. */
int store_run_get(struct store *, int64_t id, struct run_row *ret, struct err *);

struct run_query {
    int64_t experiment; /* 0 = all */
    /* "" or e.g. state = "failed" and arm != "dense" and metrics.val/loss < 2 (filter.h) */
    const char *filter;
    const char *order_by;   /* "" = id; e.g. "-created_at", "metrics.val/loss,seed" */
    const char *page_token; /* "" = first page; bound to the query: BAD_PARAMETER otherwise */
    size_t page_size;
};
struct run_list {
    struct run_row *items;
    size_t n;
    char next_page_token[STORE_TOKEN_BYTES]; /* "" = the last page */
};
/* Errors: BAD_PARAMETER with the place in the filter; QUERY_TIME. Runs of deleted experiments are
 * left out. */
int store_run_list(struct store *, const struct run_query *, struct run_list *ret, struct err *);
void run_list_done(struct run_list *list);

/* All runs of the store, deleted experiments' too, counted by state. */
int store_run_states(struct store *, int64_t ret[RUN_STATES], struct err *);

#endif
