#include "server/http/exchange.h"

#include "common/jsonx.h"
#include "common/log.h"
#include "server/datadir.h"
#include "server/http/assets.h"
#include "server/http/auth.h"
#include "server/http/gate.h"
#include "server/http/httpd.h"
#include "server/http/route.h"
#include "server/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DRAIN_BYTES = 1 << 20,
    BODY_MS = 30000, /* for a JSON body */
    UPLOAD_MS = 3600000
};

static struct exchange *living; /* loop thread only */
static size_t waiting;

void *exchange_begin(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (x == NULL)
        return NULL;
    x->req.app = arg;
    x->req.exchange = x;
    x->connection = connection;
    x->peer = info != NULL ? info->socket_context : NULL;
    x->upload_fd = -1;
    x->uri = strdup(uri);
    buf_init(&x->body, ENDPOINT_BODY_MAX);
    reply_init(&x->reply);
    x->next = living;
    if (living != NULL)
        living->previous = x;
    living = x;
    return x;
}

void exchange_completed(void *app, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    (void)app;
    (void)connection;
    (void)code;
    struct exchange *x = *context;
    *context = NULL;
    if (x == NULL)
        return;
    peer_idle(x->peer);
    sending_end(x);
    if (x->upload_fd >= 0)
        close(x->upload_fd);
    if (x->upload_path[0] != '\0')
        unlink(x->upload_path);
    if (x->req.state != NULL)
        (x->req.state_free != NULL ? x->req.state_free : free)(x->req.state);
    json_decref(x->req.body);
    buf_done(&x->body);
    reply_done(&x->reply);
    free(x->uri);
    free(x->path);
    if (x->previous != NULL)
        x->previous->next = x->next;
    else
        living = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
    free(x);
}

void exchange_suspend(struct exchange *x)
{
    x->suspended = true;
    MHD_suspend_connection(x->connection);
}

void exchange_resume(struct exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    MHD_resume_connection(x->connection);
    httpd_kick(x->req.app->httpd);
}

size_t exchange_waiting(void)
{
    return waiting;
}

void exchange_wake_all(void)
{
    for (struct exchange *x = living; x != NULL; x = x->next)
        sending_wake(x);
}

/* Steps. Each ends in READY (with a reply) or goes on. */

static void ready(struct exchange *x, int status)
{
    if (status < 0)
        reply_problem(&x->reply, &x->err);
    if (err_http_status(x->err.code) >= 500 && status < 0)
        log_error("%s %s: %s", x->req.endpoint != NULL ? x->req.endpoint->method : "-",
                  x->req.endpoint != NULL ? x->req.endpoint->path : "-", x->err.message);
    x->state = EXCHANGE_READY;
}

static void encode(struct exchange *x)
{
    const struct endpoint *endpoint = x->req.endpoint;
    ready(x, endpoint->encode != NULL ? endpoint->encode(&x->req, &x->reply, &x->err) : 0);
}

static int job_read(struct job *job, struct store *store, struct err *err)
{
    struct exchange *x = job->data;
    int status = store_as_of(store, &x->req.as_of, err);
    return status != 0 ? status : x->req.endpoint->read(&x->req, store, err);
}

static int job_write(struct job *job, struct store *store, struct err *err)
{
    struct exchange *x = job->data;
    return x->req.endpoint->write(&x->req, store, err);
}

static void job_done(struct job *job)
{
    struct exchange *x = job->data;
    const struct endpoint *endpoint = x->req.endpoint;
    if (job->status == 0 && job->run == job_read && endpoint->write != NULL) {
        x->job = (struct job){ .run = job_write, .done = job_done, .data = x };
        work_write(x->req.app->work, &x->job);
        return;
    }
    waiting--;
    if (job->status == 0)
        encode(x);
    else {
        x->err = job->err;
        ready(x, job->status);
    }
    exchange_resume(x);
}

/* decode, then whatever needs a thread. Called inside the access callback, which may suspend. */
static void work_on(struct exchange *x)
{
    const struct endpoint *endpoint = x->req.endpoint;
    int status = endpoint->decode != NULL ? endpoint->decode(&x->req, &x->err) : 0;
    if (status < 0) {
        ready(x, status);
        return;
    }
    if (endpoint->read == NULL && endpoint->write == NULL) {
        encode(x);
        return;
    }
    x->state = EXCHANGE_WORKING;
    peer_wait(x->peer, 0);
    bool reads = endpoint->read != NULL;
    x->job = (struct job){ .run = reads ? job_read : job_write, .done = job_done, .data = x };
    waiting++;
    exchange_suspend(x);
    if (reads)
        work_read(x->req.app->work, &x->job);
    else
        work_write(x->req.app->work, &x->job);
}

/* The body. */

static int parse_body(struct exchange *x)
{
    if (x->body.len == 0 && x->req.endpoint->body == BODY_JSON_OPTIONAL)
        return 0;
    int status =
        jsonx_load(x->body.data != NULL ? x->body.data : "", x->body.len, &x->req.body, &x->err);
    if (status == 0 && !json_is_object(x->req.body))
        status = err_set_at(&x->err, ERR_WRONG_TYPE, "", "the body must be a JSON object");
    x->req.body_text = x->body.data;
    x->req.body_len = x->body.len;
    return status;
}

static void refuse(struct exchange *x)
{
    x->state = EXCHANGE_REFUSED;
    buf_clear(&x->body);
}

static void write_chunk(uv_work_t *request)
{
    struct exchange *x = request->data;
    if (x->upload_fd < 0) {
        x->upload_fd =
            open(x->upload_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (x->upload_fd < 0)
            err_errno(&x->err, ERR_STORAGE, "can't store the upload");
    }
    for (size_t at = 0; at < x->body.len && x->err.code == 0;) {
        ssize_t n = write(x->upload_fd, x->body.data + at, x->body.len - at);
        if (n < 0 && errno != EINTR)
            err_errno(&x->err, ERR_STORAGE, "can't store the upload");
        at += n > 0 ? (size_t)n : 0;
    }
}

static void chunk_written(uv_work_t *request, int status)
{
    (void)status;
    struct exchange *x = request->data;
    waiting--;
    buf_clear(&x->body);
    if (x->err.code != 0)
        refuse(x);
    exchange_resume(x);
}

/* microhttpd gets no more of the body until the chunk is on the disk. */
static void take_upload(struct exchange *x, const char *data, size_t n)
{
    if (x->received > x->req.app->options->upload_limit) {
        err_set(&x->err, ERR_TOO_LARGE, "an upload may have at most %lld bytes",
                (long long)x->req.app->options->upload_limit);
        refuse(x);
        return;
    }
    buf_add(&x->body, data, n);
    x->req.upload_bytes += (int64_t)n;
    x->pool.data = x;
    if (uv_queue_work(work_loop(x->req.app->work), &x->pool, write_chunk, chunk_written) == 0) {
        waiting++;
        exchange_suspend(x);
    }
}

static void take_body(struct exchange *x, const char *data, size_t n)
{
    x->received += (int64_t)n;
    if (x->state == EXCHANGE_REFUSED)
        return;
    if (x->req.endpoint->body == BODY_UPLOAD) {
        take_upload(x, data, n);
        return;
    }
    buf_add(&x->body, data, n);
    if (x->body.failed) {
        err_set(&x->err, ERR_TOO_LARGE, "a body may have at most %d bytes", ENDPOINT_BODY_MAX);
        refuse(x);
    }
}

static void body_complete(struct exchange *x)
{
    int status = 0;
    if (x->state == EXCHANGE_REFUSED) {
        ready(x, -x->err.code);
        return;
    }
    if (x->req.endpoint->body == BODY_JSON || x->req.endpoint->body == BODY_JSON_OPTIONAL)
        status = parse_body(x);
    if (status < 0)
        ready(x, status);
    else
        work_on(x);
}

/* The first call: the header is here, nothing of the body. */
static enum MHD_Result take_header(struct exchange *x, const char *url, const char *method)
{
    int64_t length = 0;
    x->head = strcmp(method, "HEAD") == 0;
    x->path = strdup(url);
    peer_wait(x->peer, BODY_MS);
    int status = gate_check(x, &length, &x->err);
    if (status == 0)
        status = route_find(x, method, &x->err);
    if (status == 0 && x->state == EXCHANGE_READY) /* OPTIONS, or a file of the page */
        return length > 0 ? MHD_YES : exchange_respond(x);
    if (status == 0)
        status = auth_check(x, method, &x->err);
    if (status == 0)
        status = gate_body(x, length, &x->err);
    if (status < 0) {
        refuse(x);
        if (length > 0 && length <= DRAIN_BYTES)
            return MHD_YES;
        ready(x, status);
        return exchange_respond(x);
    }
    x->state = EXCHANGE_BODY;
    if (x->req.endpoint->body == BODY_UPLOAD) {
        char name[17];
        datadir_random_hex(8, name);
        datadir_path(x->req.app->datadir, x->upload_path, "tmp/upload-%s", name);
        x->req.upload_path = x->upload_path;
        peer_wait(x->peer, UPLOAD_MS);
    }
    return MHD_YES;
}

enum MHD_Result exchange_access(void *app, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **context)
{
    (void)app;
    (void)connection;
    (void)version;
    struct exchange *x = *context;
    if (x == NULL || x->uri == NULL)
        return MHD_NO;
    if (x->state == EXCHANGE_NEW && x->path == NULL)
        return take_header(x, url, method);
    if (*upload_data_size > 0) {
        size_t n = *upload_data_size;
        if (x->state == EXCHANGE_REFUSED && x->received > DRAIN_BYTES)
            return MHD_NO;
        *upload_data_size = 0;
        take_body(x, upload_data, n);
        return MHD_YES;
    }
    if (x->state == EXCHANGE_BODY || x->state == EXCHANGE_REFUSED)
        body_complete(x);
    if (x->state == EXCHANGE_READY)
        return exchange_respond(x);
    return MHD_YES;
}

/* What endpoints see of a connection. */

void reply_wake(struct request *req)
{
    sending_wake(req->exchange);
}

void reply_drop(struct request *req)
{
    struct exchange *x = req->exchange;
    if (x->peer != NULL && x->peer->fd >= 0) {
        const struct linger now = { 1, 0 };
        setsockopt(x->peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        shutdown(x->peer->fd, SHUT_RDWR);
    }
    sending_wake(x);
}

void *request_state(struct request *req, size_t size, void (*state_free)(void *))
{
    req->state = calloc(1, size);
    req->state_free = state_free;
    return req->state;
}
