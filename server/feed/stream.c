/* A subscriber's backlog is a ring of shared messages. `covered` is the seq up to which a
 * subscriber has been given everything; a subscriber is live when that is all that was published.
 * */
#include "server/feed/stream.h"

#include "server/feed/publish.h"
#include "server/jobs/work_beside.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 200 };

struct subscriber {
    struct stream *stream;
    struct subscriber *next, *previous;
    struct stream_filter filter;
    void (*wake)(void *), (*drop)(void *);
    void *arg;
    bool live, reading, dead;
    int64_t covered; /* everything up to this seq has been queued, or filtered out */

    struct message **backlog; /* ring */
    size_t first, n, size, bytes;
    size_t sent; /* of the first message */

    struct job page; /* catching up */
    struct publish_batch *batch;
    int64_t batch_last;
    bool batch_lost;
};

struct stream {
    struct work *work;
    uv_timer_t heartbeat;
    int64_t last_seq;
    struct subscriber *subscribers;
    atomic_size_t subscribers_n; /* the writer looks, too */
    struct message *beat;        /* shared by all */
};

static struct message *message_of(const char *text, int64_t seq)
{
    size_t len = strlen(text);
    struct message *message = malloc(sizeof *message + len + 1);
    if (message != NULL) {
        *message = (struct message){ .refs = 1, .seq = seq, .len = len };
        memcpy(message->text, text, len + 1);
    }
    return message;
}

static bool matches(const struct stream_filter *filter, const struct message *message)
{
    if (filter->experiments_n + filter->runs_n == 0 ||
        (message->experiment == 0 && message->run == 0))
        return true;
    for (size_t i = 0; i < filter->experiments_n; i++)
        if (filter->experiments[i] == message->experiment)
            return true;
    for (size_t i = 0; i < filter->runs_n; i++)
        if (filter->runs[i] == message->run)
            return true;
    return false;
}

/* Forgets what is due, down to the first `keep` messages. */
static void cut_backlog(struct subscriber *s, size_t keep)
{
    while (s->n > keep) {
        struct message *last = s->backlog[(s->first + --s->n) % s->size];
        s->bytes -= last->len;
        message_unref(last);
    }
}

static bool push(struct subscriber *s, struct message *message)
{
    if (s->n == s->size) {
        size_t size = s->size == 0 ? 16 : s->size * 2;
        struct message **more = malloc(size * sizeof *more);
        if (more == NULL)
            return false;
        for (size_t i = 0; i < s->n; i++)
            more[i] = s->backlog[(s->first + i) % s->size];
        free(s->backlog);
        s->backlog = more;
        s->first = 0;
        s->size = size;
    }
    s->backlog[(s->first + s->n++) % s->size] = message_ref(message);
    s->bytes += message->len;
    return true;
}

/* The reader has fallen behind what its backlog may hold, or can't have what it asked for. */
static void tell_resync(struct subscriber *s)
{
    char text[96];
    snprintf(text, sizeof text, "id: %lld\nevent: resync\ndata: {}\n\n",
             (long long)s->stream->last_seq);
    cut_backlog(s, s->sent > 0 ? 1 : 0); /* one that was begun must be ended */
    struct message *message = message_of(text, s->stream->last_seq);
    if (message != NULL)
        push(s, message);
    message_unref(message);
    s->covered = s->stream->last_seq;
    s->live = true;
}

/* catching up */

static int page_run(struct job *job, struct store *store, struct err *err)
{
    struct subscriber *s = job->data;
    return publish_replay(store, s->covered, PAGE, &s->batch, &s->batch_last, &s->batch_lost, err);
}

static void catch_up(struct subscriber *s);

static void page_done(struct job *job)
{
    struct subscriber *s = job->data;
    s->reading = false;
    if (s->dead) {
        publish_batch_free(s->batch);
        free(s);
        return;
    }
    if (job->status != 0 || s->batch_lost)
        tell_resync(s);
    for (size_t i = 0; s->batch != NULL && i < s->batch->n && !s->live; i++)
        if (matches(&s->filter, s->batch->items[i]))
            push(s, s->batch->items[i]);
    publish_batch_free(s->batch);
    s->batch = NULL;
    if (!s->live) {
        s->covered = s->batch_last;
        s->live = s->covered >= s->stream->last_seq;
    }
    if (s->n > 0)
        s->wake(s->arg);
    catch_up(s);
}

/* Reads the next page once the last one has mostly been taken. */
static void catch_up(struct subscriber *s)
{
    if (s->live || s->reading || s->bytes > STREAM_BACKLOG_BYTES / 2)
        return;
    s->reading = true;
    s->batch_lost = false;
    s->page = (struct job){ .run = page_run, .done = page_done, .data = s };
    work_read(s->stream->work, &s->page);
}

/* the stream */

void subscriber_beat(struct subscriber *s)
{
    if (s->n == 0 && push(s, s->stream->beat))
        s->wake(s->arg);
}

static void on_heartbeat(uv_timer_t *timer)
{
    struct stream *stream = timer->data;
    for (struct subscriber *s = stream->subscribers, *next; s != NULL; s = next) {
        next = s->next;
        subscriber_beat(s);
    }
}

int stream_new(uv_loop_t *loop, struct stream **ret, struct err *err)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL || (stream->beat = message_of(": still here\n\n", 0)) == NULL) {
        free(stream);
        return err_no_memory(err, "the event stream");
    }
    uv_timer_init(loop, &stream->heartbeat);
    stream->heartbeat.data = stream;
    uv_timer_start(&stream->heartbeat, on_heartbeat, STREAM_HEARTBEAT_MS, STREAM_HEARTBEAT_MS);
    uv_unref((uv_handle_t *)&stream->heartbeat);
    *ret = stream;
    return 0;
}

void stream_attach(struct stream *stream, struct work *work, int64_t last_seq)
{
    stream->work = work;
    stream->last_seq = last_seq;
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    message_unref(stream->beat);
    free(stream);
}

void stream_free(struct stream *stream)
{
    while (stream->subscribers != NULL) {
        struct subscriber *s = stream->subscribers;
        s->drop(s->arg);
    }
    uv_timer_stop(&stream->heartbeat);
    uv_close((uv_handle_t *)&stream->heartbeat, on_closed);
}

void stream_publish(void *take_batch, void *arg)
{
    struct stream *stream = arg;
    struct publish_batch *batch = take_batch;
    if (batch->n > 0)
        stream->last_seq = batch->items[batch->n - 1]->seq;
    else if (batch->unrendered > 0)
        stream->last_seq = batch->unrendered;
    for (struct subscriber *s = stream->subscribers, *next; s != NULL; s = next) {
        next = s->next;
        if (!s->live)
            continue;
        if (batch->unrendered > s->covered) { /* it came while that batch was under way */
            s->live = false;
            catch_up(s);
            continue;
        }
        size_t before = s->n;
        for (size_t i = 0; i < batch->n; i++)
            if (batch->items[i]->seq > s->covered && matches(&s->filter, batch->items[i]))
                push(s, batch->items[i]);
        s->covered = stream->last_seq > s->covered ? stream->last_seq : s->covered;
        if (s->bytes > STREAM_BACKLOG_BYTES)
            s->drop(s->arg);
        else if (s->n > before)
            s->wake(s->arg);
    }
    publish_batch_free(batch);
}

int64_t stream_last_seq(const struct stream *stream)
{
    return stream->last_seq;
}

size_t stream_subscribers(const struct stream *stream)
{
    return stream->subscribers_n;
}

int stream_subscribe(struct stream *stream, int64_t after, const struct stream_filter *filter,
                     void (*wake)(void *), void (*drop)(void *), void *arg, struct subscriber **ret,
                     struct err *err)
{
    if (stream->subscribers_n >= STREAM_SUBSCRIBERS)
        return err_set(err, ERR_TOO_MANY_REQUESTS, "%d readers follow the events already",
                       STREAM_SUBSCRIBERS);
    struct subscriber *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_no_memory(err, "a reader of the events");
    s->stream = stream;
    s->filter = *filter;
    s->wake = wake;
    s->drop = drop;
    s->arg = arg;
    s->next = stream->subscribers;
    if (s->next != NULL)
        s->next->previous = s;
    stream->subscribers = s;
    stream->subscribers_n++;
    s->live = after < 0 || after == stream->last_seq;
    s->covered = s->live ? stream->last_seq : after;
    struct message *hello = message_of("retry: 1000\n\n", 0);
    if (hello != NULL)
        push(s, hello);
    message_unref(hello);
    catch_up(s);
    *ret = s;
    return 0;
}

size_t subscriber_read(struct subscriber *s, char *to, size_t max)
{
    size_t used = 0;
    while (s->n > 0 && used < max) {
        struct message *message = s->backlog[s->first];
        size_t part = message->len - s->sent < max - used ? message->len - s->sent : max - used;
        memcpy(to + used, message->text + s->sent, part);
        used += part;
        s->sent += part;
        if (s->sent == message->len) {
            s->bytes -= message->len;
            s->sent = 0;
            s->first = (s->first + 1) % s->size;
            s->n--;
            message_unref(message);
        }
    }
    catch_up(s);
    return used;
}

void subscriber_free(struct subscriber *s)
{
    if (s == NULL)
        return;
    struct stream *stream = s->stream;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        stream->subscribers = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    stream->subscribers_n--;
    cut_backlog(s, 0);
    free(s->backlog);
    s->backlog = NULL;
    if (s->reading)
        s->dead = true; /* page_done frees it */
    else
        free(s);
}
