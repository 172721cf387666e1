/* The workers' socket and its connections. A connection's first line, by which a worker proves
 * itself, is ingest_greet.c's; the lines after it are ingest_lines.c's. */
#include "server/runs/ingest.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/launch.h"
#include "common/wire/wire.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/runs/ingest_greet.h"
#include "server/runs/ingest_lines.h"
#include "server/runs/ingest_priv.h"
#include "server/store/curves/store_replay.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    SILENT_MAX = 64 /* connections that have said nothing */
};

/* writing to the worker */

struct outgoing {
    uv_write_t request;
    char *bytes;
};

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    struct outgoing *out = request->data;
    free(out->bytes);
    free(out);
}

void conn_send(struct conn *conn, struct buf *line)
{
    size_t len = 0;
    char *bytes = buf_take(line, &len);
    struct outgoing *out = malloc(sizeof *out);
    if (bytes == NULL || out == NULL || uv_is_closing((uv_handle_t *)&conn->pipe)) {
        free(bytes);
        free(out);
        return;
    }
    out->bytes = bytes;
    out->request.data = out;
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)len);
    if (uv_write(&out->request, (uv_stream_t *)&conn->pipe, &buffer, 1, on_written) != 0)
        on_written(&out->request, -1);
}

/* a connection's life */

static void maybe_closed(struct ingest *ingest)
{
    if (!ingest->listener_closed || ingest->conns != NULL)
        return;
    void (*closed)(void *) = ingest->closed;
    void *arg = ingest->closed_arg;
    free(ingest);
    if (closed != NULL)
        closed(arg);
}

void conn_release(struct conn *conn)
{
    if (!conn->pipe_closed || conn->jobs > 0)
        return;
    struct ingest *ingest = conn->ingest;
    for (struct conn **at = &ingest->conns; *at != NULL; at = &(*at)->next)
        if (*at == conn) {
            *at = conn->next;
            break;
        }
    ingest->conns_n--;
    buf_done(&conn->in);
    free(conn);
    maybe_closed(ingest);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    conn->pipe_closed = true;
    conn_release(conn);
}

struct log_about conn_about(const struct conn *conn)
{
    return (struct log_about){ .run = conn->hello.run, .attempt = conn->hello.attempt };
}

void conn_close(struct conn *conn)
{
    if (!uv_is_closing((uv_handle_t *)&conn->pipe))
        uv_close((uv_handle_t *)&conn->pipe, on_pipe_closed);
}

static void take_lines(struct conn *conn)
{
    if (conn->in.len == 0 || uv_is_closing((uv_handle_t *)&conn->pipe))
        return;
    if (!conn->greeted) {
        const char *end = memchr(conn->in.data, '\n', conn->in.len);
        if (end != NULL)
            conn_greet(conn, (size_t)(end - conn->in.data) + 1);
    } else if (conn->welcomed) {
        const char *end = memrchr(conn->in.data, '\n', conn->in.len);
        if (end != NULL)
            conn_pass_lines(conn, (size_t)(end - conn->in.data) + 1);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct conn *conn = handle->data;
    *ret = uv_buf_init(conn->chunk, sizeof conn->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;
    if (n < 0) {
        conn_close(conn);
        return;
    }
    conn->heard_ms = clock_mono_ms();
    buf_add(&conn->in, buffer->base, (size_t)n);
    if (conn->in.failed) {
        const struct log_about it = conn_about(conn);
        log_write(LOG_WARN, &it, "a line longer than %d bytes", WIRE_LINE_MAX);
        conn_close(conn);
        return;
    }
    struct watch_mark mark = watch_enter("ingest", "");
    take_lines(conn);
    watch_leave(mark);
}

void conn_read_on(struct conn *conn)
{
    conn->paused = false;
    if (!uv_is_closing((uv_handle_t *)&conn->pipe))
        uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read);
    take_lines(conn);
}

/* A worker says in its first line who it is. Of more connections than SILENT_MAX that have said
 * nothing, the oldest are closed; the list has new ones in front. */
static void bound_silent(struct ingest *ingest)
{
    size_t silent = 0;
    for (struct conn *conn = ingest->conns; conn != NULL; conn = conn->next)
        if (!conn->greeted && !uv_is_closing((uv_handle_t *)&conn->pipe) && ++silent > SILENT_MAX)
            conn_close(conn);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct ingest *ingest = listener->data;
    struct conn *conn = status == 0 ? calloc(1, sizeof *conn) : NULL;
    if (conn == NULL)
        return;
    conn->ingest = ingest;
    conn->pipe.data = conn;
    buf_init(&conn->in, WIRE_LINE_MAX + READ_BYTES);
    uv_pipe_init(ingest->loop, &conn->pipe, 0);
    conn->next = ingest->conns;
    ingest->conns = conn;
    ingest->conns_n++;
    if (uv_accept(listener, (uv_stream_t *)&conn->pipe) != 0 || ingest->conns_n > CONNECTIONS_MAX)
        conn_close(conn);
    else
        conn_read_on(conn);
    bound_silent(ingest);
}

/* the door */

/* By hand: libuv would remove the name when it closes, even if another daemon listens there
 * then. */
static int bind_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path); /* the folder's lock is ours, so nobody listens there */
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        chmod(path, 0600) == 0)
        return fd;
    int code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    return -1;
}

int ingest_new(uv_loop_t *loop, const struct datadir *datadir, struct work *work,
               struct ingest **ret, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(datadir, path, "worker.sock");
    assert(strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path); /* datadir_open has looked */
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (ingest == NULL)
        return err_no_memory(err, "the workers' socket");
    *ingest = (struct ingest){ .loop = loop, .datadir = datadir, .work = work };
    uv_pipe_init(loop, &ingest->listener, 0);
    ingest->listener.data = ingest;
    int fd = bind_to(path);
    int code = fd < 0 ? uv_translate_sys_error(errno) : uv_pipe_open(&ingest->listener, fd);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&ingest->listener, 128, on_connection);
    if (code != 0) {
        uv_close((uv_handle_t *)&ingest->listener, NULL);
        uv_run(loop, UV_RUN_NOWAIT);
        free(ingest);
        return err_set(err, ERR_STORAGE, "can't listen on %s: %s", path, uv_strerror(code));
    }
    *ret = ingest;
    return 0;
}

void ingest_on_welcome(struct ingest *ingest, void (*told)(void *, int64_t), void *arg)
{
    ingest->welcomed = told;
    ingest->welcomed_arg = arg;
}

int64_t ingest_heard(const struct ingest *ingest, int64_t run)
{
    int64_t heard = 0;
    for (const struct conn *conn = ingest->conns; conn != NULL; conn = conn->next) {
        if (!conn->welcomed || conn->hello.run != run || uv_is_closing((uv_handle_t *)&conn->pipe))
            continue;
        int64_t at = conn->paused ? clock_mono_ms() : conn->heard_ms;
        heard = at > heard ? at : heard;
    }
    return heard;
}

bool ingest_stop(struct ingest *ingest, int64_t run, const char *reason)
{
    bool sent = false;
    for (struct conn *conn = ingest->conns; conn != NULL; conn = conn->next) {
        if (!conn->welcomed || conn->hello.run != run || uv_is_closing((uv_handle_t *)&conn->pipe))
            continue;
        struct buf line;
        buf_init(&line, 0);
        wire_encode_stop(reason, &line);
        conn_send(conn, &line);
        buf_done(&line);
        sent = true;
    }
    return sent;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct ingest *ingest = handle->data;
    ingest->listener_closed = true;
    maybe_closed(ingest);
}

void ingest_close(struct ingest *ingest, void (*closed)(void *), void *arg)
{
    char path[PATH_MAX];
    ingest->closed = closed;
    ingest->closed_arg = arg;
    datadir_path(ingest->datadir, path, "worker.sock");
    if (datadir_look(ingest->datadir) == DATADIR_HERE)
        unlink(path);
    for (struct conn *conn = ingest->conns; conn != NULL; conn = conn->next)
        conn_close(conn);
    uv_close((uv_handle_t *)&ingest->listener, on_listener_closed);
}
