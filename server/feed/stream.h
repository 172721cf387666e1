/* stream: subscribers of the event feed.
 *
 * A subscriber first catches up from the store (pages of rendered rows, read on the pool), then
 * goes live: the switch happens on the loop thread when a page has covered everything published so
 * far, so nothing is missed or sent twice. A batch that the writer didn't render, as nobody
 * listened when it began, sends whoever has come meanwhile back to the store. Each has a bounded
 * backlog (1 MiB): a reader too slow for it is told `resync` when it is still catching up from
 * nothing it can have, or dropped: its EventSource comes back with Last-Event-ID. Nobody waits for
 * anybody. Heartbeats every 15 s keep proxies and dead peers honest.
 */
#ifndef ABLATE_SERVER_STREAM_H
#define ABLATE_SERVER_STREAM_H

#include "server/work/work.h"

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
    int64_t experiments[STREAM_FILTER_IDS],
        runs[STREAM_FILTER_IDS]; /* both empty = everything; else either matches */
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
void subscriber_free(struct subscriber *subscriber);

#endif
