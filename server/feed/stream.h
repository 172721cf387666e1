/* stream: subscribers of the event feed.
 *
 * A subscriber first catches up from the store (pages of rendered rows, read on the pool), then
 * goes live: the switch happens on the loop thread when a page has covered everything published so
 * far, so nothing is missed or sent twice. When the writer began a batch while nobody listened, it
 * doesn't render it; subscribers that came meanwhile read that batch from the store.
 *
 * Each subscriber has a backlog of at most 1 MiB. A live one that is too slow for it is dropped,
 * and its EventSource comes back with Last-Event-ID. One that asks for events that are gone is told
 * `resync`, and is live from then on. A heartbeat every 15 s keeps proxies from closing the
 * connection, and shows peers that are dead; one whose connection has ended is found sooner
 * (exchange_cut.h).
 *
 * Loop thread, but for stream_subscribers.
 */
#ifndef ABLATE_SERVER_STREAM_H
#define ABLATE_SERVER_STREAM_H

#include "server/jobs/work.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;
struct subscriber;

enum {
    STREAM_FILTER_IDS = 256,
    STREAM_SUBSCRIBERS = 4096,
    STREAM_BACKLOG_BYTES = 1 << 20,
    STREAM_HEARTBEAT_MS = 15000
};

struct stream_filter {
    /* Both empty: everything. Else the events that belong to one of either. */
    int64_t experiments[STREAM_FILTER_IDS], runs[STREAM_FILTER_IDS];
    size_t experiments_n, runs_n;
};

int stream_new(uv_loop_t *loop, struct stream **ret, struct err *err);
void stream_attach(struct stream *stream, struct work *work, int64_t last_seq);
/* Drops every subscriber and frees the stream once nothing is in flight. */
void stream_free(struct stream *stream);
/* work_hooks.publish */
void stream_publish(void *take_batch, void *stream);
int64_t stream_last_seq(const struct stream *stream);
size_t stream_subscribers(const struct stream *stream); /* of any thread */

/* after < 0: from now on. wake(arg): there is something to read. drop(arg): give up on this reader;
 * it frees the subscriber, at once. Neither touches another subscriber. Errors: TOO_MANY_REQUESTS.
 */
int stream_subscribe(struct stream *stream, int64_t after, const struct stream_filter *filter,
                     void (*wake)(void *), void (*drop)(void *), void *arg, struct subscriber **ret,
                     struct err *err);
/* Up to max bytes of what is due; 0 = nothing now. */
size_t subscriber_read(struct subscriber *subscriber, char *to, size_t max);
/* A sign of life, unless something is due anyway. */
void subscriber_beat(struct subscriber *subscriber);
void subscriber_free(struct subscriber *subscriber);

#endif
