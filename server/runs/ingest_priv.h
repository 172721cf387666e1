/* ingest_priv: what ingest.c shows ingest_greet.c and ingest_lines.c. All of it is the loop
 * thread's.
 */
#ifndef ABLATE_SERVER_INGEST_PRIV_H
#define ABLATE_SERVER_INGEST_PRIV_H

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/wire/wire.h"
#include "server/data/datadir.h"
#include "server/runs/ingest.h"

enum { READ_BYTES = 65536 };

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

/* Closes the pipe; conn_release follows. */
void conn_close(struct conn *conn);
/* Frees it, if its pipe is closed and no job of it is under way. */
void conn_release(struct conn *conn);
/* Reads, beginning with what has come already. */
void conn_read_on(struct conn *conn);
/* Writes to the worker; takes the line's text. */
void conn_send(struct conn *conn, struct buf *line);
/* What a log line about it names. */
struct log_about conn_about(const struct conn *conn);

#endif
