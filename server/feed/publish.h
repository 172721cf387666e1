/* publish: what a commit says to the world. Event rows (store_audits.h) become SSE messages; live
 * and on replay by the same function, so that both say the same. Their objects: server/objects/.
 */
#ifndef ABLATE_SERVER_PUBLISH_H
#define ABLATE_SERVER_PUBLISH_H

#include "server/store/store.h"

/* One rendered message, shared by all who are sent it. Loop thread only once it is published. */
struct message {
    int refs;
    int64_t seq, experiment, run;
    size_t len;
    char text[]; /* "id: 7\nevent: run\ndata: {…}\n\n" */
};
struct message *message_ref(struct message *message);
void message_unref(struct message *message);

struct publish_batch {
    struct message **items; /* ascending seq */
    size_t n;
    int64_t unrendered; /* 0, or items is empty and the newest row has this seq */
};
void publish_batch_free(struct publish_batch *batch); /* unrefs what is left in it */

/* Writer. Flushes what the transaction touched into rows of `events`; render: and renders them,
 * which costs the writer a third of its time and is needed only while somebody listens. *ret_batch:
 * the publish_batch, the caller's; NULL when nothing was touched. Errors: NO_MEMORY, the
 * store's. */
int publish_collect(struct store *store, bool render, void **ret_batch, struct err *err);
/* Replay: rows after `after`, rendered, about 256 KiB of them at most. *ret is the caller's
 * (publish_batch_free); *ret_last: the seq that has been covered (≥ after); *ret_lost as in
 * store_events_list. Errors: NO_MEMORY, the store's. */
int publish_replay(struct store *store, int64_t after, size_t limit, struct publish_batch **ret,
                   int64_t *ret_last, bool *ret_lost, struct err *err);

#endif
