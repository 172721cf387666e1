/* Waiting for an experiment: the reply is a source that stays silent until the event stream says
 * that the experiment changed and the store says that it has ended, or the time is over. */
#include "server/api/api.h"

#include "common/jsonx.h"
#include "server/runs/publish.h"
#include "server/runs/stream.h"
#include "server/store/store_runs.h"
#include "server/work.h"

#include <stdlib.h>
#include <string.h>

struct wait {
    struct request *req; /* NULL once the connection is gone */
    struct subscriber *subscriber;
    int64_t experiment, as_of;
    struct job job, timeout;
    bool looking, look_again, timing, timed_out, over;
    struct buf text;
    size_t sent;
    bool ended;
};

static void release(struct wait *w)
{
    if (w->req != NULL || w->looking || w->timing)
        return;
    buf_done(&w->text);
    free(w);
}

static int look_run(struct job *job, struct store *store, struct err *err)
{
    struct wait *w = job->data;
    struct experiment_row row;
    int status = store_as_of(store, &w->as_of, err);
    if (status == 0)
        status = store_experiment_get(store, w->experiment, &row, err);
    if (status != 0)
        return status;
    json_t *json = publish_experiment_json(&row);
    json_object_set_new(json, "as_of", json_integer(w->as_of));
    w->ended = row.counts[RUN_QUEUED] + row.counts[RUN_RUNNING] == 0;
    buf_clear(&w->text);
    jsonx_dump(json, JSONX_KEEP_ORDER, &w->text);
    buf_addc(&w->text, '\n');
    json_decref(json);
    experiment_row_done(&row);
    return 0;
}

static void look(struct wait *w);

static void look_done(struct job *job)
{
    struct wait *w = job->data;
    w->looking = false;
    bool again = w->look_again;
    w->over |= w->ended || (w->timed_out && !again);
    if (w->req == NULL)
        release(w);
    else if (job->status != 0) { /* it was deleted, say; 200 has gone out already */
        w->over = true;
        reply_drop(w->req);
    } else if (w->over)
        reply_wake(w->req);
    else if (again)
        look(w);
}

static void look(struct wait *w)
{
    w->look_again = w->looking;
    if (w->looking || w->over)
        return;
    w->looking = true;
    w->job = (struct job){ .run = look_run, .done = look_done, .data = w };
    work_read(w->req->app->work, &w->job);
}

static void timeout_done(struct job *job)
{
    struct wait *w = job->data;
    w->timing = false;
    w->timed_out = true;
    if (w->req == NULL)
        release(w);
    else
        look(w);
}

static void on_wake(void *arg)
{
    struct wait *w = arg;
    char ignored[4096];
    while (w->subscriber != NULL && subscriber_read(w->subscriber, ignored, sizeof ignored) > 0)
        ;
    if (w->req != NULL)
        look(w);
}

static void on_drop(void *arg)
{
    struct wait *w = arg;
    subscriber_free(w->subscriber);
    w->subscriber = NULL;
    w->over = true;
    if (w->req != NULL)
        reply_drop(w->req);
}

static long wait_pull(void *source, char *to, size_t max)
{
    struct wait *w = source;
    if (!w->over)
        return 0;
    size_t left = w->text.len - w->sent, n = left < max ? left : max;
    if (n == 0)
        return -1;
    memcpy(to, w->text.data + w->sent, n);
    w->sent += n;
    return (long)n;
}

static void wait_closed(void *source)
{
    struct wait *w = source;
    w->req = NULL;
    subscriber_free(w->subscriber);
    w->subscriber = NULL;
    release(w);
}

int wait_begin(struct request *req, struct reply *reply, int64_t experiment, int64_t wait_s,
               struct err *err)
{
    struct wait *w = calloc(1, sizeof *w);
    struct stream_filter filter = { .experiments = { experiment }, .experiments_n = 1 };
    if (w == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the request");
    w->req = req;
    w->experiment = experiment;
    buf_init(&w->text, 0);
    int status = stream_subscribe(req->app->stream, req->as_of, &filter, on_wake, on_drop, w,
                                  &w->subscriber, err);
    if (status != 0) {
        free(w);
        return status;
    }
    w->timing = true;
    w->timeout = (struct job){ .done = timeout_done, .data = w };
    work_later(req->app->work, &w->timeout, wait_s * 1000);
    reply->source = (struct reply_source){ wait_pull, wait_closed, w };
    return 0;
}
