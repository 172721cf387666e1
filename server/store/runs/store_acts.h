/* store_acts: what is asked of many runs at once. What holds of the functions of store_runs.h holds
 * of these.
 */
#ifndef ABLATE_SERVER_STORE_ACTS_H
#define ABLATE_SERVER_STORE_ACTS_H

#include "server/store/runs/store_transitions.h"

#include <jansson.h>
#include <stdbool.h>

extern const char *const act_names[]; /* NULL at the end */
enum { ACT_RUNS = 10000, ACT_REFUSED = 100 };

struct run_act {
    enum act act;
    int64_t priority;
    int64_t *ids; /* owned; ascending, none twice */
    size_t n;
    const char *key, *body_digest; /* borrowed; "" = without a key */

    /* what has come of it */
    size_t at; /* those before were looked at */
    int64_t changed, unchanged;
    json_t
        *refused; /* owned: [{"id", "reason"}]: why, of the first ACT_REFUSED that didn't change */
    int64_t *running; /* owned: those of the cancelled that a worker trains or verifies */
    size_t running_n;
    bool begun, over;
};
void run_act_done(struct run_act *act);

/* The runs that a filter finds, as ids in *ret, which is the caller's. Errors: as store_run_list;
 * TOO_MANY_RUNS: more than ACT_RUNS. */
int store_act_find(struct store *, const char *filter, int64_t **ret, size_t *ret_n, struct err *);
/* A slice; again, in another transaction, until it is over. A run that can't do what is asked, or
 * that there isn't, is counted and changes nothing. What a key has done before is not done again,
 * however far it came. Errors: IDEMPOTENCY_MISMATCH: the key is another body's. */
int store_act_slice(struct store *, struct run_act *, struct err *);

/* Of an experiment and all its runs, those that have ended, too, and those that are added later; a
 * slice. Errors: NOT_FOUND. */
int store_experiment_priority(struct store *, int64_t id, int64_t priority, struct run_slice *,
                              struct err *);

#endif
