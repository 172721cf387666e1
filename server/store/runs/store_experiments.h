/* store_experiments: experiments: added with all their runs, read, changed, cancelled, deleted. What
 * holds of the functions of store_runs.h holds of these.
 */
#ifndef ABLATE_SERVER_STORE_EXPERIMENTS_H
#define ABLATE_SERVER_STORE_EXPERIMENTS_H

#include "common/audit/audits.h"
#include "common/spec/cost.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_transitions.h"

struct experiment_row {
    int64_t id, runs_n, created_at, deleted_at;    /* deleted_at 0 = alive */
    char *name, *notes, *hypothesis, *tags, *spec; /* owned; tags and spec are JSON text */
    int64_t counts[RUN_STATES];
    int64_t steps_done, steps_total; /* over its runs: progress */
    int64_t audits[AUDIT_STATUSES];  /* findings, merged as far as they reach */
    int64_t started_at, ended_at;    /* first start; last end once all are terminal; 0 = none */
    int64_t priority;
    char *
        verdict; /* owned JSON text, {"status": …, "arms": {…}}; NULL while it is yet to be drawn */
    int64_t parent; /* what it was cloned from, which may be gone; 0 = none was told */
};
void experiment_row_done(struct experiment_row *row);

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
    int64_t parent;                            /* 0 = none */
    const struct new_run *runs;
    size_t runs_n;
};
/* Whether an experiment can be told as a parent: there is one of that number, perhaps deleted.
 * Errors: BAD_PARAMETER. */
int store_experiment_known(struct store *, int64_t id, struct err *);
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
    const char *filter;     /* "" or as of runs (store_runs.h), of an experiment's fields */
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

/* Asks all runs that aren't terminal to end: queued ones are cancelled at once, running ones are
 * marked. */
int store_experiment_cancel(struct store *, int64_t id, struct run_slice *, struct err *);
/* The first slice hides it, and then none of its runs is begun any more; all cancel its runs.
 * Errors: CONFLICT while a run is running or being verified. */
int store_experiment_delete(struct store *, int64_t id, struct run_slice *, struct err *);
/* What such slices have left undone since the daemon died over them, of any experiment. */
int store_deleted_cancel(struct store *, bool *ret_more, struct err *);

#endif
