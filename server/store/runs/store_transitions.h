/* store_transitions: what a person may ask of runs: cancel, retry, verify, another place in the
 * queue. What holds of the functions of store_runs.h holds of these.
 */
#ifndef ABLATE_SERVER_STORE_TRANSITIONS_H
#define ABLATE_SERVER_STORE_TRANSITIONS_H

#include "server/store/store.h"

/* What changes many runs does so in slices: as long as `more` is set the function is called again,
 * in another transaction, so that the writes of others come between. Starts as zeros. */
enum { RUN_SLICE = 500 };
struct run_slice {
    int64_t after; /* the last run that was looked at */
    bool more;
};
/* A slice of an experiment's runs, whether it is deleted or not. */
int store_runs_cancel(struct store *, int64_t experiment, struct run_slice *, struct err *);

enum act { ACT_CANCEL, ACT_RETRY, ACT_PRIORITY, ACTS };
/* The same asked of many runs, none of them twice. told hears of each, in order, whether it was done
 * (refusal NULL) or why not, and whether a worker is at it; its own error ends it all. */
struct runs_asked {
    enum act act;
    int64_t priority; /* of ACT_PRIORITY */
    const int64_t *ids;
    size_t n;
    int (*told)(void *arg, int64_t id, const struct err *refusal, bool busy, struct err *err);
    void *arg;
};
int store_runs_ask(struct store *, const struct runs_asked *, struct err *);

/* Of a run that has ended: its verification alone, if there is one to end; else CONFLICT. */
int store_run_cancel(struct store *, int64_t id, struct err *);
/* CONFLICT unless failed or cancelled, while it is verified, and when its dataset was deleted. */
int store_run_retry(struct store *, int64_t id, struct err *);
/* CONFLICT unless queued. */
int store_run_priority(struct store *, int64_t id, int64_t priority, struct err *);

/* Queues a verification. CONFLICT unless the run has ended with steps stored, while it is verified
 * already, and when its dataset was deleted. */
int store_run_verify(struct store *, int64_t id, struct err *);

#endif
