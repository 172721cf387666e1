/* store_touches: what a transaction touches, for the rows of the event feed (store_events.h). */
#ifndef ABLATE_SERVER_STORE_TOUCHES_H
#define ABLATE_SERVER_STORE_TOUCHES_H

#include "server/store/store.h"

/* Writer: marks what this transaction touched; one row a thing is inserted by store_events_flush. */
void store_touch_run(struct store *, int64_t experiment, int64_t run);
/* The same of one that has come to a terminal state. */
void store_touch_ended(struct store *, int64_t experiment, int64_t run);
void store_touch_experiment(struct store *, int64_t experiment);
void store_touch_metrics(struct store *, int64_t experiment, int64_t run, int64_t name,
                         int64_t from, int64_t to);
void store_touch_audit(struct store *, int64_t experiment, int64_t run, int64_t audit);
void store_touch_log(struct store *, int64_t experiment, int64_t run, const char *data);
void store_touch_queue(struct store *);

/* Experiments of which a run has come to a terminal state in this transaction, each once; with
 * `audits` also those with a new finding. *ret is the caller's (free), on failure, too. Errors:
 * NO_MEMORY. */
int store_touched(struct store *, bool audits, int64_t **ret, size_t *ret_n, struct err *);

/* store.c's. A savepoint begins here. */
void store_touches_mark(struct store *store);
/* Forgets what was touched since the mark. */
void store_touches_rollback(struct store *store);
/* Forgets everything; done also frees the list. */
void store_touches_clear(struct store *store);
void store_touches_done(struct store *store);

#endif
