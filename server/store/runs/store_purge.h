/* store_purge: deletion undone, deletion made final, and what is kept for how long.
 *
 * An experiment that is deleted is listed nowhere, and comes back by restore. Purging asks for its
 * end (purge_at): from then on there is no way back, and server/retention/purge.h takes it away a
 * part at a time: of runs the folders first, then its rows. What was begun is found again by
 * purge_at.
 */
#ifndef ABLATE_SERVER_STORE_PURGE_H
#define ABLATE_SERVER_STORE_PURGE_H

#include "server/store/store.h"

enum {
    PURGE_ROWS = 5000, /* that a call of store_purge_runs deletes, about */
    PURGE_RUNS = 100   /* that go together */
};

/* Errors: NOT_FOUND, CONFLICT (it isn't deleted; it is being purged). */
int store_experiment_restore(struct store *, int64_t id, struct err *);
/* Asks for it; no-op when it was asked for already. Errors: NOT_FOUND, CONFLICT (not deleted). */
int store_experiment_purge(struct store *, int64_t id, struct err *);
/* Asks for it for all that were deleted before a time. */
int store_purge_expired(struct store *, int64_t deleted_before_ms, int64_t *ret_n, struct err *);
/* What is to go next. */
struct purge_part {
    int64_t experiment; /* 0 = there is nothing */
    int64_t runs[PURGE_RUNS];
    bool strange[PURGE_RUNS]; /* the folder isn't theirs, and stays; the caller's to say */
    size_t runs_n;            /* 0 = the experiment has none left */
    size_t gone;              /* of them, those without rows */
};
int store_purge_next(struct store *, struct purge_part *ret, struct err *);
/* Deletes some rows of these runs, whose folders must be gone; until all of them are `gone`. */
int store_purge_runs(struct store *, struct purge_part *, struct err *);
/* Deletes the row of an experiment that has no runs left, and what is said of it as a whole. */
int store_purge_experiment(struct store *, int64_t experiment, struct err *);
/* Experiments whose purge isn't over. */
int store_purge_count(struct store *, int64_t *ret, struct err *);

/* Whether a name or a run holds the corpus. */
int store_dataset_used(struct store *, const char *digest, bool *ret, struct err *);

/* Attempts that have ended and whose events are stored, but lie in their file, too. */
struct events_file {
    int64_t run, attempt, acked_seq;
};
int store_events_files(struct store *, int64_t ended_before_ms, size_t limit,
                       struct events_file **ret, size_t *ret_n, struct err *);
/* stored: the file holds log lines alone now; else it holds events that are nowhere else. */
int store_events_file_put(struct store *, const struct events_file *, bool stored, struct err *);

/* Runs that have ended and may have checkpoints. */
struct ended_run {
    int64_t ended_at, run;
};
/* Those that ended before a time, in the order in which they did, behind *after. */
int store_checkpoints_due(struct store *, int64_t ended_before_ms, const struct ended_run *after,
                          size_t limit, struct ended_run **ret, size_t *ret_n, struct err *);
/* Their files are gone; an attempt may bring others. */
int store_checkpoints_gone(struct store *, int64_t run, struct err *);

#endif
