#include "server/runs/publish.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/json/jsonx.h"
#include "server/store/store_metrics.h"

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

/* objects */

json_t *publish_embed(const char *text)
{
    json_t *value = NULL;
    if (text != NULL && jsonx_load(text, strlen(text), &value, NULL) != 0)
        value = NULL;
    return value != NULL ? value : json_null();
}

static json_t *time_json(int64_t ms)
{
    if (ms == 0)
        return json_null();
    char text[CLOCK_ISO_BYTES];
    clock_iso(ms, text);
    return json_string(text);
}

static json_t *verify_json(const struct run_verify *verify)
{
    if (verify->state == VERIFY_NONE)
        return json_null();
    return json_pack("{s:s, s:o, s:I, s:o, s:s}", "state", verify_state_names[verify->state],
                     "attempt", verify->attempt > 0 ? json_integer(verify->attempt) : json_null(),
                     "compared", (json_int_t)verify->compared, "first_difference",
                     publish_embed(verify->difference), "reason", verify->reason);
}

json_t *publish_run_json(const struct run_row *row)
{
    json_t *final = json_object();
    for (size_t i = 0; i < row->finals_n; i++)
        json_object_set_new(final, row->finals[i].name, jsonx_number(row->finals[i].value));
    json_t *run = json_pack(
        "{s:I, s:I, s:s, s:o, s:I, s:s, s:s, s:b, s:I, s:b, s:I, s:I, s:I, s:I, s:s, s:I, s:I, "
        "s:f, s:o, s:o, s:o, s:o, s:o}",
        "id", (json_int_t)row->id, "experiment_id", (json_int_t)row->experiment, "arm", row->arm,
        "grid", publish_embed(row->grid), "seed", (json_int_t)row->seed, "state",
        run_state_names[row->state], "reason", row->reason, "cancel_requested", (int)row->cancel,
        "priority", (json_int_t)row->priority, "exclusive", (int)row->exclusive, "attempt",
        (json_int_t)row->attempt, "max_attempts", (json_int_t)row->max_attempts, "step",
        (json_int_t)row->step, "steps", (json_int_t)row->steps, "digest", row->digest, "parameters",
        (json_int_t)row->parameters, "memory_bytes", (json_int_t)row->memory_bytes,
        "flops_per_step", row->flops_per_step, "created_at", time_json(row->created_at),
        "started_at", time_json(row->started_at), "ended_at", time_json(row->ended_at), "final",
        final, "verify", verify_json(&row->verify));
    if (run != NULL && row->spec != NULL)
        json_object_set_new(run, "spec", publish_embed(row->spec));
    return run;
}

/* An experiment's state is derived from its runs. */
static const char *experiment_state(const struct experiment_row *row)
{
    const int64_t *n = row->counts;
    if (n[RUN_RUNNING] > 0)
        return "running";
    if (n[RUN_QUEUED] > 0)
        return row->started_at == 0 ? "queued" : "running";
    return n[RUN_SUCCEEDED] + n[RUN_FAILED] == 0 && n[RUN_CANCELLED] > 0 ? "cancelled" : "finished";
}

json_t *publish_experiment_json(const struct experiment_row *row)
{
    json_t *counts = json_object(), *audits = json_object();
    json_t *spec = publish_embed(row->spec), *arms = json_array();
    for (int i = 0; i < RUN_STATES; i++)
        json_object_set_new(counts, run_state_names[i], json_integer(row->counts[i]));
    for (int i = 0; i < AUDIT_STATUSES; i++)
        json_object_set_new(audits, audit_status_names[i], json_integer(row->audits[i]));
    const char *arm;
    json_t *overrides;
    json_object_foreach(json_object_get(spec, "arms"), arm, overrides)
        json_array_append_new(arms, json_string(arm));
    double progress = row->steps_total > 0 ? (double)row->steps_done / (double)row->steps_total : 0;
    json_t *grid = json_object_get(spec, "grid"), *seeds = json_object_get(spec, "seeds"),
           *compare = json_object_get(spec, "compare");
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:f, s:I, s:o, s:O, s:O, s:O, s:s, s:s, s:o, s:o, s:o, s:o, "
        "s:o, s:o}",
        "id", (json_int_t)row->id, "name", row->name, "state", experiment_state(row), "counts",
        counts, "audits", audits, "progress", progress, "runs", (json_int_t)row->runs_n, "arms",
        arms, "grid", grid != NULL ? grid : json_null(), "seeds",
        seeds != NULL ? seeds : json_null(), "compare", compare != NULL ? compare : json_null(),
        "notes", row->notes, "hypothesis", row->hypothesis, "tags", publish_embed(row->tags),
        "created_at", time_json(row->created_at), "started_at", time_json(row->started_at),
        "ended_at", time_json(row->ended_at), "deleted_at", time_json(row->deleted_at), "spec",
        spec);
}

json_t *publish_queue_json(const struct queue_counts *counts)
{
    return json_pack("{s:b, s:I, s:I, s:I}", "paused", (int)counts->paused, "queued",
                     (json_int_t)counts->queued, "running", (json_int_t)counts->running,
                     "verifying", (json_int_t)counts->verifying);
}

json_t *publish_attempt_json(const struct attempt_row *row)
{
    json_t *told = isnan(row->steal_share)
                       ? json_null()
                       : json_pack("{s:f, s:f}", "steal_share", row->steal_share, "other_cores",
                                   row->other_cores);
    return json_pack("{s:I, s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "attempt",
                     (json_int_t)row->attempt, "kind", row->kind, "outcome", row->outcome,
                     "started_at", time_json(row->started_at), "ended_at", time_json(row->ended_at),
                     "acked_seq", (json_int_t)row->acked_seq, "environment",
                     publish_embed(row->environment), "interference", told);
}

json_t *publish_audit_json(const struct audit_row *row)
{
    return json_pack("{s:I, s:s?, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "id", (json_int_t)row->id,
                     "arm", row->arm, "grid", publish_embed(row->grid), "name", row->name, "status",
                     row->status, "detail", row->detail, "evidence", publish_embed(row->evidence),
                     "run", row->run > 0 ? json_integer(row->run) : json_null(), "created_at",
                     time_json(row->created_at));
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
    json_object_set_new(data, "run", publish_run_json(&run));
    run_row_done(&run);
    return 0;
}

static int render_metrics(struct store *store, const struct event_row *row, json_t *data,
                          struct err *err)
{
    json_t *ranges = publish_embed(row->data), *range, *all = json_object();
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
    json_object_set_new(data, "audit", publish_audit_json(&audit));
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
    json_object_set_new(data, "experiment", publish_experiment_json(&experiment));
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
        json_object_set_new(data, "queue", publish_queue_json(&counts));
    return status;
}

static int render_log(struct store *store, const struct event_row *row, json_t *data,
                      struct err *err)
{
    (void)store;
    (void)err;
    json_t *line = publish_embed(row->data);
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
    buf_init(&text, 0);
    *ret = NULL;
    int status = renderers[row->kind](store, row, data, err);
    if (status == 0) {
        buf_addf(&text, "id: %lld\nevent: %s\ndata: ", (long long)row->seq,
                 event_kind_names[row->kind]);
        jsonx_dump(data, JSONX_KEEP_ORDER, &text);
        buf_adds(&text, "\n\n");
        struct message *message = text.failed ? NULL : malloc(sizeof *message + text.len + 1);
        if (message == NULL)
            status = err_set(err, ERR_NO_MEMORY, "out of memory");
        else {
            *message = (struct message){ .refs = 1,
                                         .seq = row->seq,
                                         .experiment = row->experiment,
                                         .run = row->run,
                                         .len = text.len };
            memcpy(message->text, text.data, text.len + 1);
            *ret = message;
        }
    }
    json_decref(data);
    buf_done(&text);
    return status == -ERR_NOT_FOUND ? 0 : status;
}

/* Takes rows over. *ret_seq: the row it stopped after, once it had max_bytes (0 = no bound). */
static int render_all(struct store *store, struct event_row *take_rows, size_t n, size_t max_bytes,
                      struct publish_batch **ret, int64_t *ret_seq, struct err *err)
{
    int status = 0;
    size_t bytes = 0;
    struct publish_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL || (batch->items = calloc(n + 1, sizeof *batch->items)) == NULL)
        status = err_set(err, ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct message *message = NULL;
        if (status == 0 && (max_bytes == 0 || bytes < max_bytes)) {
            status = render_row(store, &take_rows[i], &message, err);
            *ret_seq = take_rows[i].seq;
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
    *ret = batch;
    return batch != NULL ? 0 : err_set(err, ERR_NO_MEMORY, "out of memory");
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
    int status = store_as_of(store, &as_of, err);
    if (status == 0)
        status = store_events_list(store, after, limit, &rows, &n, ret_lost, err);
    if (status != 0)
        return status;
    int64_t newest = n > 0 ? rows[n - 1].seq : after, last = newest;
    status = render_all(store, rows, n, PAGE_BYTES, ret, &last, err);
    if (status == 0)
        *ret_last = n == limit || last < newest ? last : as_of;
    return status;
}
