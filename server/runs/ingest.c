#include "server/runs/ingest.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/launch.h"
#include "common/wire/wire.h"
#include "server/datadir.h"
#include "server/store/store_metrics.h"
#include "server/store/store_replay.h"
#include "server/store/store_runs.h"
#include "server/watch.h"

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
    INFLIGHT_MAX = 8 << 20,
    READ_BYTES = 65536,
    CONNECTIONS_MAX = 1024,
    SILENT_MAX = 64, /* connections that have said nothing */
    ROOM_MS = 1000   /* before the store is tried again, when its disk was full */
};

struct ingest {
    uv_loop_t *loop;
    const struct datadir *datadir;
    struct work *work;
    uv_pipe_t listener;
    struct conn *conns;
    size_t conns_n;
    bool listener_closed;
    void (*welcomed)(void *, int64_t);
    void *welcomed_arg;
    void (*closed)(void *);
    void *closed_arg;
};

/* A worker's connection. It lives until its pipe is closed and no job of it is under way. */
struct conn {
    struct ingest *ingest;
    struct conn *next;
    uv_pipe_t pipe;
    struct buf in;
    char chunk[READ_BYTES];
    bool greeted, welcomed, paused, pipe_closed;
    bool verifies; /* its attempt does */
    bool waits;    /* for room on the disk, which has been told */
    struct wire_hello hello;
    char attempt_dir[PATH_MAX];
    int64_t heard_ms;
    size_t inflight, jobs; /* bytes and jobs at the writer */
};

/* Complete lines on their way through the writer. */
struct lines {
    struct job job;
    struct conn *conn;
    char *text;
    size_t len;
    uint64_t acked;
    bool broken; /* a line that breaks the protocol: what stands before it is kept */
    bool enough; /* a verification has met a difference */
    struct err why;
};

struct greeting {
    struct job job;
    struct conn *conn;
    struct attempt_row row;
    char secret[DIGEST_HEX]; /* that its worker has */
};

static void close_conn(struct conn *conn);

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

static void send_line(struct conn *conn, struct buf *line)
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

static void maybe_free(struct conn *conn)
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
    maybe_free(conn);
}

static struct log_about about(const struct conn *conn)
{
    return (struct log_about){ .run = conn->hello.run, .attempt = conn->hello.attempt };
}

static void close_conn(struct conn *conn)
{
    if (!uv_is_closing((uv_handle_t *)&conn->pipe))
        uv_close((uv_handle_t *)&conn->pipe, on_pipe_closed);
}

/* A line came too early: what is missing stands in the file. */
static int fill_gap(struct lines *lines, struct store *store, const char *line, size_t len,
                    struct err *err)
{
    const struct conn *conn = lines->conn;
    int64_t run = conn->hello.run, attempt = conn->hello.attempt;
    bool more = true;
    int status = datadir_check(conn->ingest->datadir, err);
    while (status == 0 && more)
        status = ingest_file(store, conn->attempt_dir, run, attempt, &more, err);
    return status == 0 ? ingest_line(store, run, attempt, line, len, &lines->acked, err) : status;
}

static int lines_run(struct job *job, struct store *store, struct err *err)
{
    struct lines *lines = job->data;
    struct conn *conn = lines->conn;
    int64_t run = conn->hello.run, attempt = conn->hello.attempt;
    for (size_t at = 0; at < lines->len;) {
        const char *end = memchr(lines->text + at, '\n', lines->len - at);
        size_t len = (size_t)(end - (lines->text + at)) + 1;
        int status = ingest_line(store, run, attempt, lines->text + at, len, &lines->acked, err);
        if (status == -ERR_CONFLICT)
            status = fill_gap(lines, store, lines->text + at, len, err);
        if (status == -ERR_PROTOCOL || status == -ERR_CONFLICT) {
            lines->broken = true;
            lines->why = *err;
            return 0;
        }
        if (status != 0)
            return status;
        at += len;
    }
    return conn->verifies ? replay_differs(store, run, attempt, &lines->enough, err) : 0;
}

static void start_reading(struct conn *conn);

static void lines_done(struct job *job);

static void lines_again(struct job *job)
{
    struct lines *lines = job->data;
    lines->job = (struct job){ .run = lines_run, .done = lines_done, .data = lines };
    work_write(lines->conn->ingest->work, &lines->job);
}

/* On a full disk the lines are kept and tried again; the worker, which isn't read, writes on in its
 * file until that is full, too. */
static void wait_for_room(struct lines *lines)
{
    struct conn *conn = lines->conn;
    const struct log_about it = about(conn);
    if (!conn->waits)
        log_write(LOG_WARN, &it, "its events wait for room on the disk");
    conn->waits = conn->paused = true;
    if (!uv_is_closing((uv_handle_t *)&conn->pipe))
        uv_read_stop((uv_stream_t *)&conn->pipe);
    lines->job = (struct job){ .done = lines_again, .data = lines };
    work_later(conn->ingest->work, &lines->job, ROOM_MS);
}

static void lines_done(struct job *job)
{
    struct lines *lines = job->data;
    struct conn *conn = lines->conn;
    if (job->status == -ERR_DISK_FULL && !uv_is_closing((uv_handle_t *)&conn->pipe)) {
        wait_for_room(lines);
        return;
    }
    conn->waits = false;
    conn->jobs--;
    conn->inflight -= lines->len;
    if (job->status != 0 || lines->broken) {
        const struct err *why = job->status != 0 ? &job->err : &lines->why;
        const struct log_about it = about(conn);
        log_write(LOG_WARN, &it, "events refused: %s", why->message);
        close_conn(conn); /* the worker comes back and sends again from the last ack */
    } else {
        struct buf line;
        buf_init(&line, 0);
        if (lines->acked > 0) /* heartbeats alone need no answer */
            wire_encode_ack(lines->acked, &line);
        if (lines->enough)
            wire_encode_stop("a difference was found", &line);
        if (line.len > 0)
            send_line(conn, &line);
        buf_done(&line);
        if (conn->paused && conn->inflight < INFLIGHT_MAX / 2)
            start_reading(conn);
    }
    free(lines->text);
    free(lines);
    maybe_free(conn);
}

static void pass_lines(struct conn *conn, size_t len)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL || (lines->text = malloc(len)) == NULL) {
        free(lines);
        close_conn(conn);
        return;
    }
    memcpy(lines->text, conn->in.data, len);
    buf_shift(&conn->in, len);
    lines->len = len;
    lines->conn = conn;
    lines->job = (struct job){ .run = lines_run, .done = lines_done, .data = lines };
    conn->jobs++;
    conn->inflight += len;
    if (conn->inflight > INFLIGHT_MAX) {
        conn->paused = true;
        uv_read_stop((uv_stream_t *)&conn->pipe);
    }
    work_write(conn->ingest->work, &lines->job);
}

static int greeting_run(struct job *job, struct store *store, struct err *err)
{
    struct greeting *greeting = job->data;
    const struct wire_hello *hello = &greeting->conn->hello;
    const char *key = greeting->conn->ingest->datadir->tokens.key;
    int status = store_attempt_get(store, hello->run, hello->attempt, &greeting->row, err);
    return status == 0
               ? store_attempt_secret(store, key, hello->run, hello->attempt, greeting->secret, err)
               : status;
}

/* An attempt that an earlier version began has a token that nothing was derived for. */
static bool is_its_worker(const struct greeting *greeting)
{
    const char *token = greeting->conn->hello.token;
    char digest[DIGEST_HEX];
    if (greeting->row.token[0] == '\0')
        return strlen(token) == DIGEST_HEX - 1 &&
               digest_equal(token, greeting->secret, DIGEST_HEX - 1);
    digest_of_hex(token, strlen(token), digest);
    return digest_equal(digest, greeting->row.token, DIGEST_HEX - 1);
}

/* A worker has one connection: another of its attempt's is one that it has given up. */
static void replace(const struct conn *by)
{
    for (struct conn *conn = by->ingest->conns; conn != NULL; conn = conn->next)
        if (conn->welcomed && conn->hello.run == by->hello.run &&
            conn->hello.attempt == by->hello.attempt)
            close_conn(conn);
}

static void greeting_done(struct job *job)
{
    struct greeting *greeting = job->data;
    struct conn *conn = greeting->conn;
    conn->jobs--;
    if (job->status != 0 || greeting->row.ended_at != 0 || !is_its_worker(greeting)) {
        const struct log_about it = about(conn);
        log_write(LOG_WARN, &it, "a worker was turned away: %s",
                  job->status != 0              ? job->err.message
                  : greeting->row.ended_at != 0 ? "the attempt has ended"
                                                : "wrong token");
        close_conn(conn);
    } else {
        struct buf line;
        buf_init(&line, 0);
        replace(conn);
        conn->welcomed = true;
        conn->heard_ms = clock_mono_ms();
        conn->verifies = attempt_verifies(&greeting->row);
        wire_encode_welcome((uint64_t)greeting->row.acked_seq, &line);
        send_line(conn, &line);
        buf_done(&line);
        if (conn->ingest->welcomed != NULL)
            conn->ingest->welcomed(conn->ingest->welcomed_arg, conn->hello.run);
        start_reading(conn);
    }
    attempt_row_done(&greeting->row);
    free(greeting);
    maybe_free(conn);
}

/* The first line says who it is; nothing is read on until the store has said whether that is true.
 */
static void greet(struct conn *conn, size_t len)
{
    struct wire_message message = { 0 };
    struct err err = { 0 };
    int status = wire_decode(conn->in.data, len, &message, &err);
    if (status == 0) {
        status = wire_hello_from(&message, &conn->hello, &err);
        wire_message_done(&message);
    }
    struct greeting *greeting = status == 0 ? calloc(1, sizeof *greeting) : NULL;
    if (greeting == NULL) {
        log_warn("a worker was turned away: %s", status != 0 ? err.message : "out of memory");
        close_conn(conn);
        return;
    }
    buf_shift(&conn->in, len);
    conn->greeted = true;
    datadir_path(conn->ingest->datadir, conn->attempt_dir, "runs/%lld/attempts/%lld",
                 (long long)conn->hello.run, (long long)conn->hello.attempt);
    uv_read_stop((uv_stream_t *)&conn->pipe);
    greeting->conn = conn;
    greeting->job = (struct job){ .run = greeting_run, .done = greeting_done, .data = greeting };
    conn->jobs++;
    work_read(conn->ingest->work, &greeting->job);
}

static void take_lines(struct conn *conn)
{
    if (conn->in.len == 0 || uv_is_closing((uv_handle_t *)&conn->pipe))
        return;
    if (!conn->greeted) {
        const char *end = memchr(conn->in.data, '\n', conn->in.len);
        if (end != NULL)
            greet(conn, (size_t)(end - conn->in.data) + 1);
    } else if (conn->welcomed) {
        const char *end = memrchr(conn->in.data, '\n', conn->in.len);
        if (end != NULL)
            pass_lines(conn, (size_t)(end - conn->in.data) + 1);
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
        close_conn(conn);
        return;
    }
    conn->heard_ms = clock_mono_ms();
    buf_add(&conn->in, buffer->base, (size_t)n);
    if (conn->in.failed) {
        const struct log_about it = about(conn);
        log_write(LOG_WARN, &it, "a line longer than %d bytes", WIRE_LINE_MAX);
        close_conn(conn);
        return;
    }
    struct watch_mark mark = watch_enter("ingest", "");
    take_lines(conn);
    watch_leave(mark);
}

static void start_reading(struct conn *conn)
{
    conn->paused = false;
    if (!uv_is_closing((uv_handle_t *)&conn->pipe))
        uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read);
    take_lines(conn);
}

/* Who connects says at once who it is. Beyond so many that don't, the one that has had the longest
 * time to goes; new ones stand in front. */
static void bound_silent(struct ingest *ingest)
{
    size_t silent = 0;
    for (struct conn *conn = ingest->conns; conn != NULL; conn = conn->next)
        if (!conn->greeted && !uv_is_closing((uv_handle_t *)&conn->pipe) && ++silent > SILENT_MAX)
            close_conn(conn);
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
        close_conn(conn);
    else
        start_reading(conn);
    bound_silent(ingest);
}

/* the door */

/* By hand: libuv would remove the name when it closes, whoever listens there by then. */
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
        return err_set(err, ERR_NO_MEMORY, "out of memory");
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
        send_line(conn, &line);
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
        close_conn(conn);
    uv_close((uv_handle_t *)&ingest->listener, on_listener_closed);
}
