/* Lines of a worker on their way through the writer, and what it is answered. */
#include "server/runs/ingest_lines.h"

#include "server/jobs/work_beside.h"
#include "server/runs/ingest_file.h"
#include "server/runs/ingest_priv.h"
#include "server/store/curves/store_replay.h"

#include <stdlib.h>
#include <string.h>

enum {
    INFLIGHT_MAX = 8 << 20,
    ROOM_MS = 1000 /* before the store is tried again, when its disk was full */
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
    const struct log_about it = conn_about(conn);
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
        const struct log_about it = conn_about(conn);
        log_write(LOG_WARN, &it, "events refused: %s", why->message);
        conn_close(conn); /* the worker comes back and sends again from the last ack */
    } else {
        struct buf line;
        buf_init(&line, 0);
        if (lines->acked > 0) /* heartbeats alone need no answer */
            wire_encode_ack(lines->acked, &line);
        if (lines->enough)
            wire_encode_stop("a difference was found", &line);
        if (line.len > 0)
            conn_send(conn, &line);
        buf_done(&line);
        if (conn->paused && conn->inflight < INFLIGHT_MAX / 2)
            conn_read_on(conn);
    }
    free(lines->text);
    free(lines);
    conn_release(conn);
}

void conn_pass_lines(struct conn *conn, size_t len)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL || (lines->text = malloc(len)) == NULL) {
        free(lines);
        conn_close(conn);
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
