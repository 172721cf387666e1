/* Runs: search, look, cancel, retry, reorder, and the files they leave. */
#include "server/api/api.h"

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_fields.h"
#include "common/spec/cost.h"
#include "common/spec/spec_json.h"
#include "server/api/search.h"
#include "server/data/datadir.h"
#include "server/http/exchange/exchange_request.h"
#include "server/objects/objects.h"
#include "server/runs/owner.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_transitions.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE = 100,
    PAGE_MAX = 1000,
    LOG_TAIL_BYTES = 256 << 10,    /* of each file */
    ARTIFACT_READ_BYTES = 64 << 20 /* read whole before it is sent */
};

/* GET runs */

struct list {
    struct run_query query;
    struct run_list list;
};

static void list_free(void *arg)
{
    struct list *l = arg;
    run_list_done(&l->list);
    free(l);
}

int runs_list_decode(struct request *req, struct err *err)
{
    struct list *l = request_state(req, sizeof *l, list_free, err);
    int64_t page_size = PAGE;
    if (l == NULL)
        return -ERR_NO_MEMORY;
    int status = request_arg_int(req, "page_size", 1, PAGE_MAX, PAGE, &page_size, err);
    if (status == 0)
        status = request_arg_int(req, "experiment", 1, INT64_MAX, 0, &l->query.experiment, err);
    l->query.page_size = (size_t)page_size;
    return status == 0 ? request_search(req, &l->query.filter, &l->query.order_by,
                                        &l->query.page_token, err)
                       : status;
}

int runs_list_read(struct request *req, struct store *store, struct err *err)
{
    struct list *l = req->state;
    return store_run_list(store, &l->query, &l->list, err);
}

int runs_list_encode(struct request *req, struct reply *reply, struct err *err)
{
    const struct list *l = req->state;
    const char *token = l->list.next_page_token;
    reply_list_begin(reply);
    for (size_t i = 0; i < l->list.n; i++)
        if (!reply_list_add(reply, objects_run(&l->list.items[i])))
            return err_set(err, ERR_BAD_PARAMETER,
                           "so many of these runs don't fit a page; ask for a smaller page_size");
    reply_list_end(reply, token[0] != '\0' ? token : NULL, req->as_of);
    return 0;
}

/* One run. */

struct one {
    int64_t id, priority;
    struct run_row row;
    struct attempt_row *attempts;
    struct artifact_row *artifacts;
    const struct artifact_row *artifact; /* of those, the one that was asked for */
    size_t attempts_n, artifacts_n;
    struct buf log;
    char *file; /* owned */
};

static void one_free(void *arg)
{
    struct one *o = arg;
    run_row_done(&o->row);
    for (size_t i = 0; i < o->attempts_n; i++)
        attempt_row_done(&o->attempts[i]);
    free(o->attempts);
    free(o->artifacts);
    free(o->file);
    buf_done(&o->log);
    free(o);
}

int run_id_decode(struct request *req, struct err *err)
{
    struct one *o = request_state(req, sizeof *o, one_free, err);
    if (o == NULL)
        return -ERR_NO_MEMORY;
    return request_id(req, 0, &o->id, err);
}

/* cancel, retry, verify: a body may be there, but says nothing. */
int run_act_decode(struct request *req, struct err *err)
{
    int status = run_id_decode(req, err);
    return status == 0 ? request_no_fields(req, err) : status;
}

int run_get_read(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    int status = store_run_get(store, o->id, &o->row, err);
    if (status == 0)
        status = store_attempt_list(store, o->id, &o->attempts, &o->attempts_n, err);
    return status;
}

/* FLOPs up to each step at which a step's price changes: [[step, FLOPs], …]. */
static json_t *flops_json(const json_t *frozen)
{
    struct run_spec spec;
    json_t *ends = json_array();
    json_array_append_new(ends, json_pack("[i, i]", 0, 0));
    if (run_spec_decode(frozen, "", &spec, NULL) != 0)
        return ends;
    for (int64_t step = 0; step < spec.train.steps;) {
        step = cost_bend(&spec, step);
        json_array_append_new(ends, json_pack("[I, f]", (json_int_t)step, cost_flops(&spec, step)));
    }
    return ends;
}

int run_get_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    json_t *run = objects_run(&o->row), *attempts = json_array();
    for (size_t i = 0; i < o->attempts_n; i++)
        json_array_append_new(attempts, objects_attempt(&o->attempts[i]));
    json_object_set_new(run, "attempts", attempts);
    json_object_set_new(run, "flops", flops_json(json_object_get(run, "spec")));
    reply_json(reply, 200, run, req->as_of);
    return 0;
}

static int changed(struct request *req, struct store *store, int status, struct err *err)
{
    struct one *o = req->state;
    return status == 0 ? store_run_get(store, o->id, &o->row, err) : status;
}

int run_cancel_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    return changed(req, store, store_run_cancel(store, o->id, err), err);
}

int run_accepted_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    reply_json(reply, 202, objects_run(&o->row), -1);
    return 0;
}

int run_cancel_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    supervisor_stop_run(req->app->supervisor, ((const struct one *)req->state)->id);
    return 0;
}

int run_queued_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    supervisor_kick(req->app->supervisor);
    return 0;
}

int run_verify_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    return changed(req, store, store_run_verify(store, o->id, err), err);
}

int run_retry_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    return changed(req, store, store_run_retry(store, o->id, err), err);
}

int run_priority_decode(struct request *req, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "priority", .type = JSONX_INT, .min = -1000, .max = 1000, .required = true },
    };
    int status = run_id_decode(req, err);
    return status == 0
               ? jsonx_decode(req->body, fields, 1, &((struct one *)req->state)->priority, "", err)
               : status;
}

int run_priority_write(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    return changed(req, store, store_run_priority(store, o->id, o->priority, err), err);
}

int run_changed_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    reply_json(reply, 200, objects_run(&o->row), -1);
    return 0;
}

/* GET runs/{id}/log: what the log events and log.txt say of the newest attempts, the tail of it. */

enum { LOG_ATTEMPTS = 8 };

static void add_events(struct buf *to, const char *text, size_t len)
{
    for (const char *line = text, *end; line < text + len; line = end + 1) {
        end = memchr(line, '\n', len - (size_t)(line - text));
        if (end == NULL)
            break;
        json_t *event = NULL;
        if (strncmp(line, "{\"type\":\"log\"", 13) == 0 &&
            jsonx_load(line, (size_t)(end - line), &event, NULL) == 0)
            buf_addf(to, "%-5s %s\n", json_string_value(json_object_get(event, "level")),
                     json_string_value(json_object_get(event, "message")));
        json_decref(event);
    }
}

/* The last LOG_TAIL_BYTES of a file, from a line's beginning. */
static void add_tail(struct buf *to, const char *path, bool events)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;
    if (fd < 0)
        return;
    off_t from =
        fstat(fd, &info) == 0 && info.st_size > LOG_TAIL_BYTES ? info.st_size - LOG_TAIL_BYTES : 0;
    char *text = malloc(LOG_TAIL_BYTES + 1);
    to->failed |= text == NULL; /* the reply tells */
    ssize_t n = text != NULL ? pread(fd, text, LOG_TAIL_BYTES, from) : -1;
    close(fd);
    if (n > 0) {
        const char *begin = from > 0 ? memchr(text, '\n', (size_t)n) : text;
        begin = begin == NULL ? text : from > 0 ? begin + 1 : begin;
        size_t len = (size_t)(text + n - begin);
        if (events)
            add_events(to, begin, len);
        else
            buf_add(to, begin, len);
    }
    free(text);
}

int run_log_read(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    bool strange = false;
    int status = run_get_read(req, store, err);
    if (status == 0)
        status = owner_is_strange(store, req->app->datadir, o->id, &strange, err);
    buf_init(&o->log, 0);
    size_t first = o->attempts_n > LOG_ATTEMPTS ? o->attempts_n - LOG_ATTEMPTS : 0;
    for (size_t i = first; i < o->attempts_n && status == 0 && !strange; i++) {
        char path[PATH_MAX];
        long long attempt = (long long)o->attempts[i].attempt;
        buf_addf(&o->log, "attempt %lld\n", attempt);
        datadir_path(req->app->datadir, path, "runs/%lld/attempts/%lld/events.ndjson",
                     (long long)o->id, attempt);
        add_tail(&o->log, path, true);
        datadir_path(req->app->datadir, path, "runs/%lld/attempts/%lld/log.txt", (long long)o->id,
                     attempt);
        add_tail(&o->log, path, false);
    }
    return status;
}

int run_log_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct one *o = req->state;
    reply->content_type = "text/plain; charset=utf-8";
    reply_take(reply, &o->log);
    return 0;
}

/* Artifacts. */

int run_artifacts_read(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    int status = store_run_get(store, o->id, &o->row, err);
    if (status == 0)
        status = store_artifact_list(store, o->id, &o->artifacts, &o->artifacts_n, err);
    return status;
}

int run_artifacts_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct one *o = req->state;
    json_t *items = json_array();
    for (size_t i = 0; i < o->artifacts_n; i++)
        json_array_append_new(items, objects_artifact(&o->artifacts[i]));
    reply_json(reply, 200, json_pack("{s:o, s:n}", "items", items, "next_page_token"), req->as_of);
    return 0;
}

/* A file that isn't what was stored must not pass for it. Its size tells at once; its content is
 * read when that costs little, and a greater one's digest is told for the caller to check. */
static int check_artifact(const struct one *o, const struct artifact_row *row, struct err *err)
{
    struct stat info;
    char digest[DIGEST_HEX];
    if (lstat(o->file, &info) != 0 || !S_ISREG(info.st_mode))
        return err_set(err, ERR_NOT_FOUND, "the file of artifact %s of run %lld is gone", row->name,
                       (long long)o->id);
    if (info.st_size != row->bytes)
        return err_set(err, ERR_BAD_DATA,
                       "artifact %s of run %lld is damaged: its file has %lld bytes, %lld were "
                       "stored",
                       row->name, (long long)o->id, (long long)info.st_size, (long long)row->bytes);
    if (row->bytes > ARTIFACT_READ_BYTES)
        return 0;
    int status = digest_file(o->file, digest, err);
    if (status == 0 && strcmp(digest, row->sha256) != 0)
        status = err_set(err, ERR_BAD_DATA,
                         "artifact %s of run %lld is damaged: its file has the digest %s, %s was "
                         "stored",
                         row->name, (long long)o->id, digest, row->sha256);
    return status;
}

/* Only a name that the store knows becomes a path. */
int run_artifact_read(struct request *req, struct store *store, struct err *err)
{
    struct one *o = req->state;
    char path[PATH_MAX];
    int status = run_artifacts_read(req, store, err);
    for (size_t i = 0; i < o->artifacts_n && status == 0 && o->artifact == NULL; i++)
        if (strcmp(o->artifacts[i].name, req->params[1]) == 0)
            o->artifact = &o->artifacts[i];
    if (status == 0 && o->artifact == NULL)
        status = err_set(err, ERR_NOT_FOUND, "run %lld has no artifact %.100s", (long long)o->id,
                         req->params[1]);
    if (status != 0)
        return status;
    datadir_path(req->app->datadir, path, "runs/%lld/artifacts/%s", (long long)o->id,
                 o->artifact->name);
    o->file = strdup(path);
    return o->file != NULL ? check_artifact(o, o->artifact, err)
                           : err_no_memory(err, "the request");
}

int run_artifact_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct one *o = req->state;
    const char *digest = o->artifact->sha256;
    char base64[DIGEST_BASE64], modified[CLOCK_HTTP_BYTES];
    digest_base64(digest, base64);
    clock_http(o->artifact->created_at, modified);
    if (strstr(req->if_none_match, digest) != NULL) {
        reply->status = 304;
    } else {
        reply->file = o->file;
        o->file = NULL;
    }
    reply->content_type = "application/octet-stream";
    reply_header(reply, "ETag", "\"%s\"", digest);
    reply_header(reply, "Last-Modified", "%s", modified);
    reply_header(reply, "Repr-Digest", "sha-256=:%s:", base64); /* RFC 9530 */
    reply_header(reply, "Cache-Control", "private, no-cache");
    reply_header(reply, "Content-Disposition", "attachment; filename=\"run-%lld-%s\"",
                 (long long)o->id, req->params[1]);
    return 0;
}
