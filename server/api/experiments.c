/* Experiments after their submission: list, get, change, cancel, delete, restore, purge. */
#include "server/api/api.h"

#include "common/base/clock.h"
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/names.h"
#include "common/sweep/sweep.h"
#include "server/api/search.h"
#include "server/base/options.h"
#include "server/http/exchange/exchange_request.h"
#include "server/objects/objects.h"
#include "server/retention/purge.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/runs/store_purge.h"
#include "server/store/runs/store_transitions.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 100, PAGE_MAX = 1000 };

/* GET experiments */

struct list {
    int64_t page_size, deleted;
    struct experiment_query query;
    struct experiment_list list;
};

static void list_free(void *arg)
{
    struct list *l = arg;
    experiment_list_done(&l->list);
    free(l);
}

int experiments_list_decode(struct request *req, struct err *err)
{
    struct list *l = request_state(req, sizeof *l, list_free, err);
    if (l == NULL)
        return -ERR_NO_MEMORY;
    int status = request_arg_int(req, "page_size", 1, PAGE_MAX, PAGE, &l->page_size, err);
    if (status == 0)
        status = request_arg_int(req, "deleted", 0, 1, 0, &l->deleted, err);
    if (status == 0)
        status = request_search(req, &l->query.filter, &l->query.order, &l->query.page_token, err);
    l->query.page_size = (size_t)l->page_size;
    l->query.deleted = l->deleted != 0;
    return status;
}

int experiments_list_read(struct request *req, struct store *store, struct err *err)
{
    struct list *l = req->state;
    return store_experiment_list(store, &l->query, &l->list, err);
}

/* When nobody restores it until then. */
static json_t *purge_due(const struct options *options, const struct experiment_row *row)
{
    return options->keep_deleted_ms == INT64_MAX
               ? json_null()
               : objects_time(row->deleted_at + options->keep_deleted_ms);
}

static json_t *item_json(const struct request *req, const struct experiment_row *row)
{
    const struct list *l = req->state;
    json_t *item = objects_experiment(row);
    json_object_del(item, "spec");
    if (l->deleted != 0)
        json_object_set_new(item, "purge_due", purge_due(req->app->options, row));
    return item;
}

int experiments_list_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct experiment_list *list = &((const struct list *)req->state)->list;
    size_t n = 0;
    reply_list_begin(reply);
    while (n < list->n && reply_list_add(reply, item_json(req, &list->items[n])))
        n++;
    reply_list_end(reply, n < list->n || list->more ? list->tokens[n - 1] : NULL, req->as_of);
    return 0;
}

/* One experiment; getting it is wait.c's. */

struct one {
    int64_t id;
    struct run_slice slice;
    struct experiment_row row;
};

static void one_free(void *arg)
{
    struct one *o = arg;
    experiment_row_done(&o->row);
    free(o);
}

int experiment_id_decode(struct request *req, struct err *err)
{
    struct one *o = request_state(req, sizeof *o, one_free, err);
    if (o == NULL)
        return -ERR_NO_MEMORY;
    return request_id(req, 0, &o->id, err);
}

int experiment_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    reply_json(reply, 200, objects_experiment(&o->row), req->as_of);
    return 0;
}

int experiment_patch_decode(struct request *req, struct err *err)
{
    return experiment_id_decode(req, err);
}

struct patch_in {
    char name[NAMES_BYTES];
    const char *notes;
    json_t *tags;
};
#define AT(m) .key = #m, .offset = offsetof(struct patch_in, m)
static const struct jsonx_field patch_fields[] = {
    { AT(name), .type = JSONX_NAME, .preset = "\"-\"" },
    { AT(notes), .type = JSONX_TEXT, .max = 65536 },
    { AT(tags), .type = JSONX_OBJECT },
};

int experiment_patch_write(struct request *req, struct store *store, struct err *err)
{
    struct patch_in in;
    struct one *o = req->state;
    char *tags = NULL;
    int status = jsonx_decode(req->body, patch_fields, 3, &in, "", err);
    if (status == 0 && in.tags != NULL)
        status = sweep_tags_check(in.tags, err);
    if (status == 0 && in.tags != NULL && (tags = jsonx_text(in.tags, JSONX_CANONICAL)) == NULL)
        status = err_no_memory(err, "tags");
    if (status == 0)
        status = store_experiment_patch(
            store, o->id, json_object_get(req->body, "name") != NULL ? in.name : NULL,
            json_object_get(req->body, "notes") != NULL ? in.notes : NULL, tags, err);
    free(tags);
    return status == 0 ? store_experiment_get(store, o->id, &o->row, err) : status;
}

int experiment_delete_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    int status = store_experiment_delete(store, o->id, &o->slice, err);
    req->more = o->slice.more;
    return status;
}

int experiment_deleted_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)req;
    (void)err;
    reply->status = 204;
    return 0;
}

int experiment_restore_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    int status = store_experiment_restore(store, o->id, err);
    return status == 0 ? store_experiment_get(store, o->id, &o->row, err) : status;
}

int experiment_purge_write(struct request *req, struct store *store, struct err *err)
{
    return store_experiment_purge(store, ((struct one *)req->state)->id, err);
}

int experiment_purge_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    reply_json(reply, 202, json_pack("{s:I}", "id", (json_int_t)o->id), -1);
    return 0;
}

int experiment_purge_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    purge_kick(req->app->purge);
    return 0;
}

int experiment_act_decode(struct request *req, struct err *err)
{
    int status = experiment_id_decode(req, err);
    return status == 0 ? request_no_fields(req, err) : status;
}

int experiment_cancel_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    int status = store_experiment_cancel(store, o->id, &o->slice, err);
    req->more = o->slice.more;
    return status == 0 && !req->more ? store_experiment_get(store, o->id, &o->row, err) : status;
}

int experiment_cancel_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    reply_json(reply, 202, objects_experiment(&o->row), -1);
    return 0;
}

int experiment_cancel_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    supervisor_stop_experiment(req->app->supervisor, ((const struct one *)req->state)->id);
    return 0;
}
