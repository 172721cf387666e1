/* Rendering: a function a kind of event, which reads what the event is about as it is now. */
#include "server/feed/publish.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/objects/objects.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_events.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 256 << 10 }; /* of a replay, about */

struct message *message_ref(struct message *message)
{
    message->refs++;
    return message;
}

void message_unref(struct message *message)
{
    if (message != NULL && --message->refs == 0)
        free(message);
}

void publish_batch_free(struct publish_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->n; i++)
        message_unref(batch->items[i]);
    free(batch->items);
    free(batch);
}

/* rendering: one function a kind, {kind} → data */

static int render_run(struct store *store, const struct event_row *row, json_t *data,
                      struct err *err)
{
    struct run_row run = { 0 };
    int status = store_run_get(store, row->run, &run, err);
    if (status != 0)
        return status;
    free(run.spec);
    run.spec = NULL;
    json_object_set_new(data, "run", objects_run(&run));
    run_row_done(&run);
    return 0;
}

static int render_metrics(struct store *store, const struct event_row *row, json_t *data,
                          struct err *err)
{
    json_t *ranges = objects_embed(row->data), *range, *all = json_object();
    size_t i;
    int status = 0;
    json_object_set_new(data, "run", json_integer(row->run));
    json_object_set_new(data, "experiment", json_integer(row->experiment));
    json_object_set_new(data, "series", all);
    json_array_foreach(ranges, i, range)
    {
        struct metric_series series = { 0 };
        status = store_metrics_range(store, row->run, json_integer_value(json_array_get(range, 0)),
                                     json_integer_value(json_array_get(range, 1)),
                                     json_integer_value(json_array_get(range, 2)), &series, err);
        if (status != 0)
            break;
        json_t *points = json_array();
        for (size_t p = 0; p < series.n; p++)
            json_array_append_new(points, json_pack("[I, o]", (json_int_t)series.points[p].step,
                                                    jsonx_number(series.points[p].value)));
        /* Each job of a commit has a range of its own. */
        json_t *before = json_object_get(all, series.name);
        if (before != NULL) {
            json_array_extend(before, points);
            json_decref(points);
        } else {
            json_object_set_new(all, series.name, points);
        }
        free(series.name);
        free(series.points);
    }
    json_decref(ranges);
    return status;
}

static int render_audit(struct store *store, const struct event_row *row, json_t *data,
                        struct err *err)
{
    struct audit_row audit = { 0 };
    int status =
        store_audit_get(store, row->data != NULL ? strtoll(row->data, NULL, 10) : 0, &audit, err);
    if (status != 0)
        return status;
    json_object_set_new(data, "run", row->run > 0 ? json_integer(row->run) : json_null());
    json_object_set_new(data, "experiment", json_integer(row->experiment));
    json_object_set_new(data, "audit", objects_audit(&audit));
    audit_row_done(&audit);
    return 0;
}

static int render_experiment(struct store *store, const struct event_row *row, json_t *data,
                             struct err *err)
{
    struct experiment_row experiment = { 0 };
    int status = store_experiment_get(store, row->experiment, &experiment, err);
    if (status == -ERR_NOT_FOUND) {
        json_object_set_new(data, "deleted", json_integer(row->experiment));
        return 0;
    }
    if (status != 0)
        return status;
    json_object_set_new(data, "experiment", objects_experiment(&experiment));
    experiment_row_done(&experiment);
    return 0;
}

static int render_queue(struct store *store, const struct event_row *row, json_t *data,
                        struct err *err)
{
    (void)row;
    struct queue_counts counts;
    int status = store_queue_counts(store, &counts, err);
    if (status == 0)
        json_object_set_new(data, "queue", objects_queue(&counts));
    return status;
}

static int render_log(struct store *store, const struct event_row *row, json_t *data,
                      struct err *err)
{
    (void)store;
    (void)err;
    json_t *line = objects_embed(row->data);
    json_object_set_new(data, "run", json_integer(row->run));
    json_object_set_new(data, "experiment", json_integer(row->experiment));
    json_object_update(data, line);
    json_decref(line);
    return 0;
}

static int (*const renderers[EVENT_KINDS])(struct store *, const struct event_row *, json_t *,
                                           struct err *) = {
    [EVENT_RUN] = render_run,     [EVENT_METRICS] = render_metrics,
    [EVENT_AUDIT] = render_audit, [EVENT_EXPERIMENT] = render_experiment,
    [EVENT_QUEUE] = render_queue, [EVENT_LOG] = render_log,
};

/* *ret = NULL, without an error, for a row whose subject is gone (a run of a deleted experiment).
 */
static int render_row(struct store *store, const struct event_row *row, struct message **ret,
                      struct err *err)
{
    json_t *data = json_object();
    struct buf text;
    struct message *message = NULL;
    buf_init(&text, 0);
    int status = renderers[row->kind](store, row, data, err);
    if (status == 0) {
        buf_addf(&text, "id: %lld\nevent: %s\ndata: ", (long long)row->seq,
                 event_kind_names[row->kind]);
        jsonx_dump(data, JSONX_KEEP_ORDER, &text);
        buf_adds(&text, "\n\n");
        message = text.failed ? NULL : malloc(sizeof *message + text.len + 1);
        if (message == NULL)
            status = err_no_memory(err, "an event");
        else {
            *message = (struct message){ .refs = 1,
                                         .seq = row->seq,
                                         .experiment = row->experiment,
                                         .run = row->run,
                                         .len = text.len };
            memcpy(message->text, text.data, text.len + 1);
        }
    }
    json_decref(data);
    buf_done(&text);
    if (status != 0 && status != -ERR_NOT_FOUND)
        return status;
    *ret = message;
    return 0;
}

/* Takes rows over. *ret_seq: the row it stopped after, once it had max_bytes (0 = no bound). */
static int render_all(struct store *store, struct event_row *take_rows, size_t n, size_t max_bytes,
                      struct publish_batch **ret, int64_t *ret_seq, struct err *err)
{
    int status = 0;
    size_t bytes = 0;
    int64_t seq = *ret_seq;
    struct publish_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL || (batch->items = calloc(n + 1, sizeof *batch->items)) == NULL)
        status = err_no_memory(err, "the events");
    for (size_t i = 0; i < n; i++) {
        struct message *message = NULL;
        if (status == 0 && (max_bytes == 0 || bytes < max_bytes)) {
            status = render_row(store, &take_rows[i], &message, err);
            seq = take_rows[i].seq;
        }
        if (message != NULL) {
            bytes += message->len;
            batch->items[batch->n++] = message;
        }
        event_row_done(&take_rows[i]);
    }
    free(take_rows);
    if (status != 0) {
        publish_batch_free(batch);
        return status;
    }
    *ret = batch;
    *ret_seq = seq;
    return 0;
}

/* Takes rows over. */
static int keep_place(struct event_row *take_rows, size_t n, struct publish_batch **ret,
                      struct err *err)
{
    struct publish_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL)
        batch->unrendered = take_rows[n - 1].seq;
    for (size_t i = 0; i < n; i++)
        event_row_done(&take_rows[i]);
    free(take_rows);
    if (batch == NULL)
        return err_no_memory(err, "the events");
    *ret = batch;
    return 0;
}

int publish_collect(struct store *store, bool render, void **ret_batch, struct err *err)
{
    struct event_row *rows = NULL;
    struct publish_batch *batch = NULL;
    size_t n = 0;
    int64_t ignored = 0;
    int status = store_events_flush(store, &rows, &n, err);
    if (status == 0 && n > 0)
        status = render ? render_all(store, rows, n, 0, &batch, &ignored, err)
                        : keep_place(rows, n, &batch, err);
    if (status == 0)
        *ret_batch = batch;
    return status;
}

int publish_replay(struct store *store, int64_t after, size_t limit, struct publish_batch **ret,
                   int64_t *ret_last, bool *ret_lost, struct err *err)
{
    struct event_row *rows = NULL;
    size_t n = 0;
    int64_t as_of = 0;
    bool lost = false;
    int status = store_as_of(store, &as_of, err);
    if (status == 0)
        status = store_events_list(store, after, limit, &rows, &n, &lost, err);
    if (status != 0)
        return status;
    int64_t newest = n > 0 ? rows[n - 1].seq : after, last = newest;
    status = render_all(store, rows, n, PAGE_BYTES, ret, &last, err);
    if (status != 0)
        return status;
    *ret_last = n == limit || last < newest ? last : as_of;
    *ret_lost = lost;
    return 0;
}
