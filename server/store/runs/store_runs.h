/* store_runs: experiments, runs, attempts, datasets: their rows and their transitions.
 *
 *   store_runs.c          runs: one, and filtered pages
 *   store_experiments.c   experiments               store_datasets.c      datasets
 *   store_transitions.c   what a person asks        store_attempts.c      attempts and the queue
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

#include "common/audit/audits.h"
#include "common/base/digest.h"
#include "common/spec/cost.h"
#include "server/store/store_identity.h"

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

struct dataset_row {
    int64_t id, documents, bytes, duplicates, created_at;
    char name[SPEC_NAME_BYTES], digest[DIGEST_HEX], format[8];
};

struct experiment_row {
    int64_t id, runs_n, created_at, deleted_at;    /* deleted_at 0 = alive */
    char *name, *notes, *hypothesis, *tags, *spec; /* owned; tags and spec are JSON text */
    int64_t counts[RUN_STATES];
    int64_t steps_done, steps_total; /* over its runs: progress */
    int64_t audits[AUDIT_STATUSES];  /* findings, merged as far as they reach */
    int64_t started_at, ended_at;    /* first start; last end once all are terminal; 0 = none */
};
void experiment_row_done(struct experiment_row *row);

struct run_row {
    int64_t id, experiment, seed, priority, attempt, max_attempts, step, steps;
    int64_t parameters, memory_bytes, created_at, started_at, ended_at; /* 0 = none */
    double flops_per_step;
    enum run_state state;
    bool cancel, exclusive;
    char *arm, *grid, *reason, *digest, *dataset_digest; /* owned; grid is JSON text */
    char *spec;                                          /* owned JSON text; NULL in lists */
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

/* datasets */
/* Inserts, or replaces the dataset of that name. */
int store_dataset_put(struct store *, const struct dataset_row *, struct err *);
/* Errors: NOT_FOUND. */
int store_dataset_get(struct store *, const char *name_or_digest, struct dataset_row *ret,
                      struct err *);
int store_dataset_list(struct store *, struct dataset_row **ret, size_t *ret_n, struct err *);
/* Refused with CONFLICT while a run that isn't terminal needs its content and no other name holds
 * it. */
int store_dataset_delete(struct store *, const char *name, struct err *);

/* experiments */
struct new_run {
    const char *arm, *grid, *spec, *digest, *dataset_digest;
    const char *cell; /* run_spec_cell; NULL: it is a repetition of none */
    int64_t seed, priority, max_attempts, steps;
    int64_t windows; /* to train on; 0 = a synthetic task, or not known */
    bool exclusive;
    struct cost cost;
};
struct new_experiment {
    const char *name, *notes, *hypothesis, *tags, *spec;
    const char *metric, *goal;                 /* what is compared; "min" or "max" */
    const char *idempotency_key, *body_digest; /* NULL = none */
    const struct new_run *runs;
    size_t runs_n;
};
/* The experiment that was submitted with this key; *ret_id = 0 = none. Errors: IDEMPOTENCY_MISMATCH
 * (another body), CONFLICT (deleted since). */
int store_experiment_by_key(struct store *, const char *key, const char *body_digest,
                            int64_t *ret_id, struct err *);
/* Stores an experiment with all its runs. *ret_existing is set when the idempotency key was known
 * with the same body: *ret_id is the old one then, and nothing is stored. Errors:
 * as store_experiment_by_key, STORAGE. */
int store_experiment_add(struct store *, const struct new_experiment *, int64_t *ret_id,
                         bool *ret_existing, struct err *);
/* What each cell (arm × grid point) of an experiment trains, by its oldest run, in that order; what it
 * holds is the caller's (trained_cells_free). Errors: NOT_FOUND. */
struct trained_cell {
    char *arm, *grid, *spec, *dataset_digest; /* owned; grid and spec are JSON text */
    char *cell;                               /* owned; NULL = not known */
    int64_t priority, max_attempts, windows;  /* cell, windows: as struct new_run's */
    bool exclusive;
};
void trained_cells_free(struct trained_cell *rows, size_t n);
int store_experiment_cells(struct store *, int64_t id, struct trained_cell **ret, size_t *ret_n,
                           struct err *);
/* Adds runs with other seeds. Errors: NOT_FOUND; CONFLICT: a seed has runs already, or the dataset
 * is gone; TOO_MANY_RUNS: there would be more than `most`. */
int store_experiment_grow(struct store *, int64_t id, const struct new_run *runs, size_t n,
                          size_t most, struct err *);
/* Errors: NOT_FOUND. */
int store_experiment_get(struct store *, int64_t id, struct experiment_row *ret, struct err *);
struct experiment_query {
    bool deleted;           /* those alone that are, and can be restored (store_purge.h) */
    const char *filter;     /* "" or as of runs, below, of an experiment's fields */
    const char *order;      /* "" = the newest first */
    const char *page_token; /* "" = first page */
    size_t page_size;
};
struct experiment_list {
    struct experiment_row *items;
    char **tokens; /* owned: of the page that begins behind each */
    size_t n, tokens_n;
    bool more; /* there are others behind the last one */
};
/* Errors: as store_run_list. */
int store_experiment_list(struct store *, const struct experiment_query *,
                          struct experiment_list *ret, struct err *);
void experiment_list_done(struct experiment_list *list);
/* NULL = unchanged; tags is JSON text. */
int store_experiment_patch(struct store *, int64_t id, const char *name, const char *notes,
                           const char *tags, struct err *);

/* What changes many runs does so in slices: as long as `more` is set the function is called again,
 * in another transaction, so that the writes of others come between. Starts as zeros. */
enum { RUN_SLICE = 200 };
struct run_slice {
    int64_t after; /* the last run that was looked at */
    bool more;
};
/* Asks all runs that aren't terminal to end: queued ones are cancelled at once, running ones are
 * marked. */
int store_experiment_cancel(struct store *, int64_t id, struct run_slice *, struct err *);
/* The first slice hides it, and then none of its runs is begun any more; all cancel its runs.
 * Errors: CONFLICT while a run is running or being verified. */
int store_experiment_delete(struct store *, int64_t id, struct run_slice *, struct err *);
/* What such slices have left undone since the daemon died over them, of any experiment. */
int store_deleted_cancel(struct store *, bool *ret_more, struct err *);
/* A slice of an experiment's runs, whether it is deleted or not. */
int store_runs_cancel(struct store *, int64_t experiment, struct run_slice *, struct err *);

/* runs */
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

/* Of a run that has ended: its verification alone, if there is one to end; else CONFLICT. */
int store_run_cancel(struct store *, int64_t id, struct err *);
/* CONFLICT unless failed or cancelled, while it is verified, and when its dataset was deleted. */
int store_run_retry(struct store *, int64_t id, struct err *);
/* CONFLICT unless queued. */
int store_run_priority(struct store *, int64_t id, int64_t priority, struct err *);

/* Queues a verification. CONFLICT unless the run has ended with steps stored, while it is verified
 * already, and when its dataset was deleted. */
int store_run_verify(struct store *, int64_t id, struct err *);

/* The candidates for a claim, by priority, then age. A verification stands where its run does. */
struct queued_run {
    int64_t id, memory_bytes, priority;
    bool exclusive, verify;
};
int store_queue_head(struct store *, size_t limit, struct queued_run **ret, size_t *ret_n,
                     struct err *);
/* queued → running with the next attempt; fills what the supervisor needs to launch. NOT_FOUND if
 * it was taken or cancelled. */
struct claim {
    int64_t run, attempt, experiment, memory_bytes, threads;
    int64_t steps; /* to be trained: of a verification those that are stored */
    bool verify;
    char token[65];                  /* in clear: 64 hex */
    char digest[DIGEST_HEX];         /* of the run */
    char dataset_digest[DIGEST_HEX]; /* "" = a synthetic task */
    char *spec;                      /* owned */
    struct run_origin origin;        /* whose folder it needs; spec is the one above */
    struct artifact_row *artifacts;  /* owned; of a verification: those of the run */
    size_t artifacts_n;
    bool audits;  /* it audits its arm at its grid point, being the first seed's */
    bool replays; /* and its arm's repeatability, being the arm's first run */
};
void claim_done(struct claim *claim);
/* Takes it out of the queue and begins an attempt; claim.token is derived from key. */
int store_run_claim(struct store *, int64_t run, const char *key, struct claim *ret, struct err *);
/* The same for a queued verification: the run itself stays as it is. */
int store_verify_claim(struct store *, int64_t run, const char *key, struct claim *ret,
                       struct err *);
/* By what a worker of the attempt proves itself: the HMAC, with the folder's key
 * (server/data/tokens.h), of the database's identity, run, attempt and the run's digest. It is
 * stored nowhere, another database's attempts have others, and one that the store has forgotten and
 * begins again has the same. Errors: NOT_FOUND (the run), STORAGE. */
int store_attempt_secret(struct store *, const char *key, int64_t run, int64_t attempt,
                         char ret[DIGEST_HEX], struct err *);
/* Ends an attempt and settles its run, or its run's verification if that is its kind. next:
 * RUN_SUCCEEDED, RUN_FAILED or RUN_CANCELLED, or RUN_QUEUED for another attempt. outcome and reason
 * are for people. Stores the replay audit of what was compared. Does nothing (0) when the attempt
 * has ended already, or isn't there. */
int store_attempt_end(struct store *, int64_t run, int64_t attempt, enum run_state next,
                      const char *outcome, const char *reason, struct err *);
/* The attempt that ends now doesn't count towards its run's max_attempts. */
int store_run_forgive(struct store *, int64_t run, struct err *);
/* The newest id that a run has had; 0 = none. Those up to `last` are never given from now on. */
int store_run_ids_last(struct store *, int64_t *ret, struct err *);
int store_run_ids_pass(struct store *, int64_t last, struct err *);
/* Runs that are running or being verified, with that attempt: what a starting daemon finds. */
struct running_run {
    int64_t run, attempt, experiment, memory_bytes, pid; /* pid 0 = unknown */
    bool exclusive, cancel;
};
int store_run_running(struct store *, struct running_run **ret, size_t *ret_n, struct err *);
struct attempt_row {
    int64_t run, attempt, pid, acked_seq, started_at, ended_at;
    int64_t compared;                /* values that it computed again */
    double steal_share, other_cores; /* schema/wire.md; NaN = not told */
    char kind[8], token[DIGEST_HEX], outcome[64];
    char *environment, *difference; /* owned JSON text or NULL; difference: the first one */
};
void attempt_row_done(struct attempt_row *row);
bool attempt_verifies(const struct attempt_row *row); /* by its kind */
int store_attempt_get(struct store *, int64_t run, int64_t attempt, struct attempt_row *ret,
                      struct err *);
int store_attempt_list(struct store *, int64_t run, struct attempt_row **ret, size_t *ret_n,
                       struct err *);
int store_attempt_token(struct store *, int64_t run, int64_t attempt, const char *digest,
                        struct err *);
int store_attempt_pid(struct store *, int64_t run, int64_t attempt, int64_t pid, struct err *);

/* queue */
struct queue_counts {
    int64_t queued, running; /* runs */
    int64_t verifying;       /* verifications, queued or running */
    bool paused;
};
int store_queue_paused(struct store *, bool *ret, struct err *);
int store_queue_counts(struct store *, struct queue_counts *ret, struct err *);
/* All runs of the store, deleted experiments' too, counted by state. */
int store_run_states(struct store *, int64_t ret[RUN_STATES], struct err *);
int store_queue_pause(struct store *, bool paused, struct err *);

#endif
