/* What the daemon says of itself: version, health, documents, presets, metrics, the queue. */
#include "server/api/api.h"

#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/json/jsonx_fields.h"
#include "common/spec/metrics.h"
#include "common/wire/wire.h"
#include "server/base/embed.h"
#include "server/base/options.h"
#include "server/base/presets.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/http/exchange/exchange_request.h"
#include "server/jobs/space.h"
#include "server/jobs/work.h"
#include "server/objects/objects.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_attempts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITER_SLOW_MS = 10000, WRITER_BACKLOG = 50000 };

int version_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct queue_limits *limits = supervisor_limits(req->app->supervisor);
    reply_json(reply, 200,
               json_pack("{s:s, s:i, s:I, s:I}", "version", ablate_version(), "protocol",
                         WIRE_PROTOCOL, "slots", (json_int_t)limits->slots, "memory_bytes",
                         (json_int_t)limits->memory_bytes),
               -1);
    return 0;
}

/* While the loop stands still another thread answers (http/stalled.h); this tells of it afterwards.
 */
static json_t *stalls_json(void)
{
    struct watch_figures figures;
    char ended[CLOCK_ISO_BYTES];
    watch_figures(&figures);
    clock_iso(figures.stall_end_ms, ended);
    json_t *last = figures.stall_end_ms == 0
                       ? json_null()
                       : json_pack("{s:f, s:s}", "seconds", figures.stall_s, "ended_at", ended);
    return json_pack("{s:I, s:o}", "n", (json_int_t)figures.stalls, "last", last);
}

int healthz_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct app *app = req->app;
    /* The folder is looked at now, not as space.h last saw it: a caller may rely on the answer. */
    const char *folder = datadir_reason(datadir_look(app->datadir));
    const struct {
        bool applies;
        const char *reason;
    } rows[] = {
        { app->closing, "stopping: the daemon is on its way out" },
        { folder != NULL, folder },
        { app->space != NULL && space_seen(app->space)->state == SPACE_LOW,
          "disk_low: the data folder's disk is nearly full; nothing new is taken on" },
        { app->space != NULL && space_seen(app->space)->state == SPACE_FULL,
          "disk_full: the data folder's disk is full; runs wait for room" },
        { work_busy_ms(app->work) > WRITER_SLOW_MS,
          "writer_slow: a transaction has been taking more than 10 s" },
        { work_locked(app->work),
          "database_locked: another process holds the database's lock; nothing can be written" },
        { work_backlog(app->work) > WRITER_BACKLOG, "writer_behind: too many writes are waiting" },
    };
    json_t *reasons = json_array();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].applies)
            json_array_append_new(reasons, json_string(rows[i].reason));
    bool ready = json_array_size(reasons) == 0;
    reply_json(reply, ready ? 200 : 503,
               json_pack("{s:b, s:b, s:o, s:o}", "live", 1, "ready", (int)ready, "reasons", reasons,
                         "stalls", stalls_json()),
               -1);
    return 0;
}

/* The API's own documents. The one names the other by a relative address. */

static int encode_document(const struct request *req, struct reply *reply, const char *path,
                           struct err *err)
{
    const struct embedded *file = embed_find(path);
    if (file == NULL)
        return err_set(err, ERR_INTERNAL, "%s isn't part of the program", path);
    const char *tag = embed_tag(file);
    reply_header(reply, "ETag", "%s", tag);
    reply_header(reply, "Cache-Control", "no-cache");
    if (reply_tag_known(req->if_none_match, tag))
        reply->status = 304;
    else
        buf_add(&reply->body, file->data, file->len);
    return 0;
}

int openapi_encode(struct request *req, struct reply *reply, struct err *err)
{
    return encode_document(req, reply, "schema/openapi.json", err);
}

int experiment_schema_encode(struct request *req, struct reply *reply, struct err *err)
{
    return encode_document(req, reply, "schema/experiment.schema.json", err);
}

/* Presets. */

int presets_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)req;
    json_t *items = NULL;
    int status = presets_list(&items, err);
    if (status == 0)
        reply_json(reply, 200, json_pack("{s:o, s:n}", "items", items, "next_page_token"), -1);
    return status;
}

int preset_encode(struct request *req, struct reply *reply, struct err *err)
{
    json_t *spec = NULL;
    int status = preset_load(req->params[0], &spec, err);
    if (status == -ERR_UNKNOWN_PRESET)
        status = err_set(err, ERR_NOT_FOUND, "there is no preset \"%.64s\"", req->params[0]);
    if (status == 0)
        reply_json(reply, 200, spec, -1);
    return status;
}

/* Metrics. */

int metrics_list_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)req;
    (void)err;
    reply_json(reply, 200, json_pack("{s:o, s:n}", "items", metrics_json(), "next_page_token"), -1);
    return 0;
}

/* The queue. */

struct queue_state {
    bool paused;
    struct queue_counts counts;
};

int queue_read(struct request *req, struct store *store, struct err *err)
{
    struct queue_state *q = request_state(req, sizeof *q, NULL, err);
    return q == NULL ? -ERR_NO_MEMORY : store_queue_counts(store, &q->counts, err);
}

int queue_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct queue_state *q = req->state;
    reply_json(reply, 200, objects_queue(&q->counts), req->as_of);
    return 0;
}

int queue_post_decode(struct request *req, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "paused",
          .type = JSONX_BOOL,
          .offset = offsetof(struct queue_state, paused),
          .required = true },
    };
    struct queue_state *q = request_state(req, sizeof *q, NULL, err);
    return q == NULL ? -ERR_NO_MEMORY : jsonx_decode(req->body, fields, 1, q, "", err);
}

int queue_post_write(struct request *req, struct store *store, struct err *err)
{
    struct queue_state *q = req->state;
    int status = store_queue_pause(store, q->paused, err);
    return status == 0 ? store_queue_counts(store, &q->counts, err) : status;
}

int queue_post_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    supervisor_kick(req->app->supervisor);
    return 0;
}

int queue_post_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct queue_state *q = req->state;
    reply_json(reply, 200, objects_queue(&q->counts), -1);
    return 0;
}
