/* A request's body. JSON is gathered, at most ENDPOINT_BODY_MAX, and parsed when it is whole. An
 * upload goes to a file in the data folder: the connection is suspended while its chunk stands in
 * the line of uploads and is written, so that a slow disk slows its sender and nothing else. What
 * is left of a refused body is read and forgotten, at most EXCHANGE_DRAIN_BYTES; then the reply
 * goes past microhttpd, which takes none while a body comes in, and the connection ends. */
#include "server/http/exchange/exchange_body.h"

#include "common/json/jsonx.h"
#include "server/base/options.h"
#include "server/base/random.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/http/exchange/exchange_cut.h"
#include "server/http/exchange/exchange_remains.h"
#include "server/http/exchange/exchange_respond.h"
#include "server/http/exchange/exchange_turns.h"
#include "server/http/exchange/exchange_working.h"
#include "server/jobs/line.h"
#include "server/jobs/space.h"
#include "server/jobs/work_beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_upload(const struct exchange *x)
{
    return x->req.endpoint != NULL && x->req.endpoint->body == BODY_UPLOAD;
}

void body_begin(struct exchange *x)
{
    const struct limits *limits = &x->req.app->options->limits;
    x->state = EXCHANGE_BODY;
    peer_wait(x->peer, 1000 * (is_upload(x) ? limits->upload_s : limits->body_s));
}

void body_refuse(struct exchange *x)
{
    x->state = EXCHANGE_REFUSED;
    buf_clear(&x->body);
    peer_wait(x->peer, 1000 * x->req.app->options->limits.body_s);
}

static int open_upload(struct exchange *x, struct err *err)
{
    char name[17], path[PATH_MAX];
    random_hex(8, name);
    datadir_path(x->req.app->datadir, path, "tmp/upload-%s", name);
    x->upload_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (x->upload_fd < 0)
        return err_errno(err, ERR_STORAGE, "can't store the upload");
    x->upload_path = strdup(path);
    return x->upload_path != NULL ? 0 : err_no_memory(err, "the upload");
}

/* On the pool. The first chunk, which may be empty, makes the file. */
static int write_chunk(struct job *job, struct store *none, struct err *err)
{
    struct exchange *x = job->data;
    (void)none;
    int status = x->upload_fd < 0 ? open_upload(x, err) : 0;
    for (size_t at = 0; at < x->body.len && status == 0;) {
        ssize_t n = write(x->upload_fd, x->body.data + at, x->body.len - at);
        if (n < 0 && errno != EINTR)
            status = err_errno(err, ERR_STORAGE, "can't store the upload");
        at += n > 0 ? (size_t)n : 0;
    }
    return status;
}

static void chunk_written(struct job *job)
{
    struct exchange *x = job->data;
    x->all->waiting--;
    x->written = x->body.len;
    if (job->status != 0) {
        x->err = job->err;
        body_refuse(x);
    }
    exchange_resume(x);
}

static void store_chunk(struct exchange *x)
{
    x->job = (struct job){ .run = write_chunk, .done = chunk_written, .data = x };
    x->all->waiting++;
    exchange_suspend(x);
    line_join(x->req.app->uploads, &x->job);
}

/* The bytes stay untaken until they are on the disk: microhttpd would go on with the next chunk
 * otherwise, suspended or not. They are copied, since it moves its own when some are taken. */
static void take_upload(struct exchange *x, const char *bytes, size_t *n)
{
    int64_t most = x->req.app->options->upload_limit;
    x->received += (int64_t)x->written;
    bytes += x->written;
    *n -= x->written;
    x->written = 0;
    if (*n == 0)
        return;
    if (space_check(x->req.app->space, &x->err) != 0) {
        body_refuse(x);
        *n = 0;
        return;
    }
    if (x->received + (int64_t)*n > most) {
        err_set(&x->err, ERR_TOO_LARGE, "an upload may have at most %lld bytes", (long long)most);
        body_refuse(x);
        *n = 0;
        return;
    }
    buf_clear(&x->body);
    buf_add(&x->body, bytes, *n);
    if (x->body.failed) {
        err_no_memory(&x->err, "the upload");
        body_refuse(x);
        *n = 0;
        return;
    }
    store_chunk(x);
}

static void take_json(struct exchange *x, const char *bytes, size_t *n)
{
    buf_add(&x->body, bytes, *n);
    *n = 0;
    if (x->body.full)
        err_set(&x->err, ERR_TOO_LARGE, "a body may have at most %d bytes", ENDPOINT_BODY_MAX);
    else if (x->body.failed)
        err_no_memory(&x->err, "the body");
    if (x->body.failed)
        body_refuse(x);
}

static enum MHD_Result drain(struct exchange *x, size_t *n)
{
    x->drained += (int64_t)*n;
    *n = 0;
    if (x->drained <= EXCHANGE_DRAIN_BYTES)
        return MHD_YES;
    exchange_ready(x, -x->err.code);
    exchange_respond_past(x);
    return MHD_NO;
}

enum MHD_Result body_take(struct exchange *x, const char *bytes, size_t *n)
{
    if (x->state == EXCHANGE_REFUSED)
        return drain(x, n);
    if (x->peer != NULL && peer_is_late(x->peer)) { /* suspended whenever it was looked at */
        exchange_late(x);
        return MHD_NO;
    }
    (is_upload(x) ? take_upload : take_json)(x, bytes, n);
    return MHD_YES;
}

static int parse(struct exchange *x, struct err *err)
{
    if (x->body.len == 0 && x->req.endpoint->body == BODY_JSON_OPTIONAL)
        return 0;
    const char *text = x->body.data != NULL ? x->body.data : "";
    int status = jsonx_load(text, x->body.len, &x->req.body, err);
    if (status == 0)
        status = jsonx_check_integers(text, x->body.len, err);
    if (status == 0 && !json_is_object(x->req.body))
        status = err_set_at(err, ERR_WRONG_TYPE, "", "the body must be a JSON object");
    x->req.body_text = text;
    x->req.body_len = x->body.len;
    return status;
}

static int parse_run(struct job *job, struct store *none, struct err *err)
{
    (void)none;
    return parse(job->data, err);
}

static void parsed(struct exchange *x, int status)
{
    if (status < 0)
        exchange_ready(x, status);
    else
        exchange_work(x);
}

static void parse_done(struct job *job)
{
    struct exchange *x = job->data;
    x->all->waiting--;
    if (job->status != 0)
        x->err = job->err;
    parsed(x, job->status);
    if (x->state == EXCHANGE_READY)
        exchange_resume(x);
}

/* A megabyte of JSON takes longer than the loop has for anybody. */
static void take_whole(struct exchange *x)
{
    if (x->body.len <= REMAINS_LARGE) {
        struct watch_mark mark = watch_enter("parse", x->req.endpoint->path);
        int status = parse(x, &x->err);
        watch_leave(mark);
        parsed(x, status);
        return;
    }
    x->state = EXCHANGE_WORKING;
    peer_wait(x->peer, 0);
    x->job = (struct job){ .run = parse_run, .done = parse_done, .data = x };
    x->all->waiting++;
    exchange_suspend(x);
    work_pool(x->req.app->work, &x->job);
}

void body_end(struct exchange *x)
{
    if (x->state == EXCHANGE_REFUSED) {
        exchange_ready(x, -x->err.code);
        return;
    }
    enum body_kind kind = x->req.endpoint->body;
    if (kind == BODY_UPLOAD && x->upload_fd < 0) { /* comes back when there is a file */
        store_chunk(x);
        return;
    }
    x->req.upload_path = x->upload_path;
    x->req.upload_bytes = x->received;
    if (kind == BODY_JSON || kind == BODY_JSON_OPTIONAL)
        take_whole(x);
    else
        exchange_work(x);
}
