/* store_events: the rows of the event feed, made of what a transaction touched (store_touches.h). */
#ifndef ABLATE_SERVER_STORE_EVENTS_H
#define ABLATE_SERVER_STORE_EVENTS_H

#include "server/store/store.h"

enum event_kind {
    EVENT_RUN,
    EVENT_METRICS,
    EVENT_AUDIT,
    EVENT_EXPERIMENT,
    EVENT_QUEUE,
    EVENT_LOG,
    EVENT_KINDS
};
extern const char *const event_kind_names[];
struct event_row {
    int64_t seq, experiment, run; /* 0 = none */
    enum event_kind kind;
    char *data; /* owned JSON text or NULL */
};
void event_row_done(struct event_row *row);
/* Inserts the rows of what was touched (seq in order) and returns them; forgets the touched set;
 * prunes beyond 1,000,000 rows. A savepoint that is rolled back forgets what was touched inside it.
 * *ret is the caller's (event_row_done of each, free). Errors: NO_MEMORY, also where it ran out
 * when something was touched; the store's. */
int store_events_flush(struct store *, struct event_row **ret, size_t *ret_n, struct err *);
/* Rows with seq > after, ascending, at most limit. *ret_lost: rows after `after` were pruned. */
int store_events_list(struct store *, int64_t after, size_t limit, struct event_row **ret,
                      size_t *ret_n, bool *ret_lost, struct err *);

#endif
