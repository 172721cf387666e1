/* GET experiments/{id}: as it is, or, with `wait`, once it has ended or the time is over. A client
 * that has left and a daemon that ends bring the time forward: the reply is what is so by then.
 *
 * The state of the experiment is looked at by a reader: at the beginning, whenever the event stream
 * says that it changed, and when the time is over. The request owns the wait, and is done when
 * neither a look nor the time's job is under way. */
#include "server/api/api.h"
#include "server/jobs/work_beside.h"

#include "common/json/jsonx_dump.h"
#include "server/feed/stream.h"
#include "server/http/exchange/exchange_request.h"
#include "server/jobs/work.h"
#include "server/objects/objects.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/runs/store_runs.h"

#include <stdlib.h>

enum { WAIT_MAX_S = 3600 };

struct wait {
    struct request *req;
    int64_t experiment, wait_s;
    struct subscriber *subscriber;
    struct job look, time;
    bool looking; /* from the last look on for good */
    bool look_again, timing;
    bool ended; /* the experiment has */
    bool over;  /* the time is; the next look is the last */
    bool done;  /* that was the last one */
    struct buf text;
};

static void wait_free(void *arg)
{
    struct wait *w = arg;
    buf_done(&w->text);
    free(w);
}

int experiment_get_decode(struct request *req, struct err *err)
{
    struct wait *w = request_state(req, sizeof *w, wait_free, err);
    if (w == NULL)
        return -ERR_NO_MEMORY;
    w->req = req;
    buf_init(&w->text, 0);
    int status = request_arg_int(req, "wait", 0, WAIT_MAX_S, 0, &w->wait_s, err);
    return status == 0 ? request_id(req, 0, &w->experiment, err) : status;
}

static int look_run(struct job *job, struct store *store, struct err *err)
{
    struct wait *w = job->data;
    struct experiment_row row;
    int64_t as_of;
    int status = store_as_of(store, &as_of, err);
    if (status == 0)
        status = store_experiment_get(store, w->experiment, &row, err);
    if (status != 0)
        return status;
    json_t *json = objects_experiment(&row);
    json_object_set_new(json, "as_of", json_integer(as_of));
    w->ended = row.counts[RUN_QUEUED] + row.counts[RUN_RUNNING] == 0;
    buf_clear(&w->text);
    jsonx_dump(json, JSONX_KEEP_ORDER, &w->text);
    buf_addc(&w->text, '\n');
    json_decref(json);
    experiment_row_done(&row);
    return 0;
}

static void end(const struct wait *w)
{
    request_done(w->req, w->look.status, &w->look.err);
}

static void look(struct wait *w);

static void look_done(struct job *job)
{
    struct wait *w = job->data;
    if (job->status == 0 && !w->ended && !w->over) {
        w->looking = false;
        if (w->look_again)
            look(w);
        return;
    }
    subscriber_free(w->subscriber);
    w->subscriber = NULL;
    w->done = true;
    if (w->timing)
        work_hurry(&w->time);
    else
        end(w);
}

static void look(struct wait *w)
{
    w->look_again = w->looking;
    if (w->looking)
        return;
    w->looking = true;
    w->look = (struct job){ .run = look_run, .done = look_done, .data = w };
    work_read(w->req->app->work, &w->look);
}

static void time_done(struct job *job)
{
    struct wait *w = job->data;
    w->timing = false;
    w->over = true;
    if (w->done)
        end(w);
    else
        look(w);
}

static void wait_given_up(struct request *req)
{
    struct wait *w = req->state;
    if (w->timing)
        work_hurry(&w->time);
}

static void on_wake(void *arg)
{
    struct wait *w = arg;
    char ignored[4096];
    while (w->subscriber != NULL && subscriber_read(w->subscriber, ignored, sizeof ignored) > 0)
        ;
    look(w);
}

static void on_drop(void *arg)
{
    struct wait *w = arg;
    subscriber_free(w->subscriber);
    w->subscriber = NULL;
    wait_given_up(w->req);
}

static int wait_begin(struct request *req, struct err *err)
{
    struct wait *w = req->state;
    const struct app *app = req->app;
    w->over = w->wait_s == 0 || app->closing;
    if (!w->over) {
        struct stream_filter filter = { .experiments = { w->experiment }, .experiments_n = 1 };
        int status =
            stream_subscribe(app->stream, -1, &filter, on_wake, on_drop, w, &w->subscriber, err);
        if (status != 0)
            return status;
        w->timing = true;
        w->time = (struct job){ .done = time_done, .data = w };
        work_later(app->work, &w->time, w->wait_s * 1000);
    }
    look(w);
    return 0;
}

const struct waiting experiment_waiting = { wait_begin, wait_given_up };

int experiment_get_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct wait *w = req->state;
    reply_take(reply, &w->text);
    return 0;
}
