/* Datasets: stored corpora, by name. */
#include "server/api/api.h"

#include "common/base/clock.h"
#include "common/json/jsonx_fields.h"
#include "common/names.h"
#include "server/data/import/import.h"
#include "server/http/exchange/exchange_request.h"
#include "server/jobs/line.h"
#include "server/objects/objects.h"
#include "server/retention/purge.h"
#include "server/store/store_datasets.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct upload {
    const struct datadir *datadir;
    struct import_request request;
    struct import_result result;
    struct dataset_row row;
    bool replaced;
};

static void upload_free(void *arg)
{
    struct upload *u = arg;
    import_drop(u->datadir, &u->result);
    free(u);
}

static int take_format(const struct request *req, struct import_request *ret, struct err *err)
{
    static const struct {
        const char *type;
        enum import_format format;
    } types[] = { { "text/plain", IMPORT_TEXT },
                  { "application/x-ndjson", IMPORT_JSONL },
                  { "application/jsonl", IMPORT_JSONL },
                  { "application/json-lines", IMPORT_JSONL } };
    const char *asked = request_arg(req, "format"), *type = req->content_type;
    for (int i = 0; asked != NULL && import_format_names[i] != NULL; i++)
        if (strcmp(asked, import_format_names[i]) == 0) {
            ret->format = (enum import_format)i;
            ret->stated = true;
            return 0;
        }
    if (asked != NULL)
        return err_set(err, ERR_BAD_PARAMETER, "format must be text or jsonl, not %.40s", asked);
    size_t len = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].type) == len && strncasecmp(types[i].type, type, len) == 0) {
            ret->format = types[i].format;
            return 0;
        }
    return err_set(err, ERR_UNSUPPORTED_TYPE,
                   "a corpus is text/plain or application/x-ndjson, or say ?format=text or "
                   "?format=jsonl; not %.80s",
                   type[0] != '\0' ? type : "without a type");
}

static int check_name(const struct request *req, struct err *err)
{
    return names_is_plain(req->params[0])
               ? 0
               : err_set(err, ERR_BAD_PARAMETER,
                         "a dataset's name must be 1 to %d letters, digits, spaces or . _ -",
                         NAMES_MAX);
}

int dataset_put_decode(struct request *req, struct err *err)
{
    struct upload *u = request_state(req, sizeof *u, upload_free, err);
    if (u == NULL)
        return -ERR_NO_MEMORY;
    u->datadir = req->app->datadir;
    int status = check_name(req, err);
    if (status == 0 && req->if_none_match[0] != '\0' && strcmp(req->if_none_match, "*") != 0)
        status = err_set(err, ERR_BAD_PARAMETER,
                         "If-None-Match of an upload is * (there must be no such dataset), or "
                         "absent");
    return status == 0 ? take_format(req, &u->request, err) : status;
}

int dataset_put_read(struct request *req, struct store *store, struct err *err)
{
    struct upload *u = req->state;
    const struct import_result *result = &u->result;
    (void)store;
    u->request.upload = req->upload_path;
    u->request.stop = &req->app->imports->closing;
    int status = import_file(u->datadir, &u->request, &u->result, err);
    if (status != 0)
        return status;
    u->row = (struct dataset_row){ .documents = result->documents,
                                   .bytes = result->bytes,
                                   .duplicates = result->duplicates,
                                   .created_at = clock_wall_ms() };
    memcpy(u->row.digest, result->digest, sizeof u->row.digest);
    strncpy(u->row.name, req->params[0], sizeof u->row.name - 1);
    strncpy(u->row.format, import_format_names[result->format], sizeof u->row.format - 1);
    return 0;
}

/* If-None-Match: *, as RFC 9110 has it for whoever wants to make something and to replace nothing. */
static int check_new(const struct request *req, struct err *err)
{
    return req->if_none_match[0] == '\0'
               ? 0
               : err_set(err, ERR_PRECONDITION,
                         "there is a dataset \"%s\" already, and If-None-Match asks that there be "
                         "none; without it the upload would take its place",
                         req->params[0]);
}

int dataset_put_write(struct request *req, struct store *store, struct err *err)
{
    struct upload *u = req->state;
    struct dataset_row old;
    int status = store_dataset_get(store, req->params[0], &old, err);
    if (status != 0 && status != -ERR_NOT_FOUND)
        return status;
    u->replaced = status == 0;
    status = u->replaced ? check_new(req, err) : 0;
    if (status != 0)
        return status;
    status = import_place(u->datadir, &u->result, err);
    return status == 0 ? store_dataset_put(store, &u->row, err) : status;
}

static json_t *notes_json(const struct import_result *result)
{
    json_t *notes = json_array();
    struct buf sentence;
    buf_init(&sentence, 0);
    for (int note = 0; note < IMPORT_NOTES; note++) {
        buf_clear(&sentence);
        import_note(result, (enum import_note)note, &sentence);
        if (sentence.len > 0)
            json_array_append_new(notes, json_stringn(sentence.data, sentence.len));
    }
    buf_done(&sentence);
    return notes;
}

int dataset_put_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct upload *u = req->state;
    import_drop(u->datadir, &u->result); /* not on the loop, if the content was there before */
    json_t *dataset = objects_dataset(&u->row);
    json_object_set_new(dataset, "notes", notes_json(&u->result));
    reply_json(reply, u->replaced ? 200 : 201, dataset, -1);
    return 0;
}

/* GET datasets */

struct list {
    struct dataset_row *rows;
    size_t n;
};

static void list_free(void *arg)
{
    struct list *l = arg;
    free(l->rows);
    free(l);
}

int datasets_read(struct request *req, struct store *store, struct err *err)
{
    struct list *l = request_state(req, sizeof *l, list_free, err);
    return l == NULL ? -ERR_NO_MEMORY : store_dataset_list(store, &l->rows, &l->n, err);
}

int datasets_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct list *l = req->state;
    json_t *items = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(items, objects_dataset(&l->rows[i]));
    reply_json(reply, 200, json_pack("{s:o, s:n}", "items", items, "next_page_token"), req->as_of);
    return 0;
}

/* DELETE datasets/{name}: the name goes; the content stays for the runs that name it by digest. */

int dataset_name_decode(struct request *req, struct err *err)
{
    return check_name(req, err);
}

/* PATCH datasets/{name}: another name, for the same content. */

struct rename {
    const char *to; /* in the body */
    struct dataset_row row;
};

int dataset_rename_decode(struct request *req, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "name", .type = JSONX_TEXT, .max = NAMES_MAX, .required = true }
    };
    struct rename *r = request_state(req, sizeof *r, NULL, err);
    if (r == NULL)
        return -ERR_NO_MEMORY;
    int status = jsonx_decode(req->body, fields, 1, &r->to, "", err);
    if (status == 0 && !names_is_plain(r->to))
        status = err_set_at(err, ERR_INVALID_VALUE, "/name",
                            "a dataset's name must be 1 to %d letters, digits, spaces or . _ -",
                            NAMES_MAX);
    return status;
}

int dataset_rename_write(struct request *req, struct store *store, struct err *err)
{
    struct rename *r = req->state;
    int status = store_dataset_rename(store, req->params[0], r->to, err);
    return status == 0 ? store_dataset_get(store, r->to, &r->row, err) : status;
}

int dataset_rename_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    reply_json(reply, 200, objects_dataset(&((const struct rename *)req->state)->row), -1);
    return 0;
}

int dataset_delete_write(struct request *req, struct store *store, struct err *err)
{
    return store_dataset_delete(store, req->params[0], err);
}

int dataset_deleted_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    purge_kick(req->app->purge); /* its content goes, if no run holds it */
    reply->status = 204;
    return 0;
}
