/* work: which thread touches the database, and when. The writer is here; readers, the pool and delays
 * are work_beside.h's.
 *
 * One writer thread owns the connection that writes and checkpoints; readers are read-only
 * connections on libuv's thread pool. A job says what to do with a store (`run`, on such a thread)
 * and what to do with the outcome (`done`, on the loop thread). Jobs for the writer are taken in
 * order, as many as wait, into one transaction (at most 50 ms or 5,000 rows): each job runs inside
 * a savepoint, so that one that fails changes nothing and spoils nobody else's; `done` is called
 * only after COMMIT, in order. What would take long is done in slices (`more`): after the COMMIT of
 * one the job waits its turn again, behind whoever came meanwhile. A reader's job runs inside one
 * read transaction: what it sees is one moment of the store.
 *
 * Before COMMIT the writer calls `collect` (feed/publish.h), which turns what the jobs touched into
 * event rows and rendered messages; after COMMIT these are given to `publish` on the loop thread,
 * before the jobs' `done`. A failed COMMIT fails every job in it. A failed fsync or a damaged page
 * is fatal: `fatal` is called on the loop thread, once, and the daemon ends so that recovery runs
 * at its next start. A full disk is not: the jobs of that commit end with DISK_FULL, and `full` is
 * called. The writer's is the WAL as well (wal.h).
 */
#ifndef ABLATE_SERVER_WORK_H
#define ABLATE_SERVER_WORK_H

#include "common/base/err.h"
#include "server/jobs/wal.h"
#include "server/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct work;
struct line;

/* Embed in a larger struct; the owner keeps it alive until `done` was called. */
struct job {
    int (*run)(struct job *, struct store *, struct err *); /* 0 or negative code */
    void (*done)(struct job *);                             /* loop thread; may free the job */
    void *data;                                             /* the owner's */
    bool more;  /* set by run: it is called again, in another transaction, before done is */
    int status; /* what run (or COMMIT) returned; valid in done */
    struct err err;
    struct job *next; /* work's own, from here on */
    struct work *work;
    uv_work_t request;
    uv_timer_t timer;
    struct line *line; /* line.h's own */
    void (*line_done)(struct job *);
};

struct work_hooks {
    /* Writer thread, in the transaction: returns a batch (may be NULL) for publish. */
    int (*collect)(struct store *, void **ret_batch, void *arg, struct err *);
    void (*publish)(void *take_batch, void *arg); /* loop thread, after COMMIT */
    void (*discard)(void *take_batch, void *arg); /* COMMIT failed */
    void (*fatal)(const struct err *, void *arg); /* loop thread */
    void (*full)(void *arg); /* loop thread: a job found no room on the disk; may be NULL */
    /* Loop thread: a reader keeps the WAL large, or has let go of it; may be NULL. */
    void (*wal)(const struct wal *, void *arg);
    void *arg;
};

/* Opens (creates, migrates) the database at path and starts the writer thread.
 * Errors: STORAGE, BAD_DATA (foreign or damaged database). */
int work_new(uv_loop_t *loop, const char *path, const struct work_hooks *hooks, struct work **ret,
             struct err *err);
/* Queues a job for the writer. Never blocks. When the queue is full (bounded bytes are the callers'
 * affair; at most 100,000 jobs) the job ends with ERR_UNAVAILABLE. */
void work_write(struct work *work, struct job *job);
/* The loop that `done` functions run on. */
uv_loop_t *work_loop(const struct work *work);
/* Jobs waiting for or inside the writer. */
size_t work_backlog(const struct work *work);
/* Transactions committed so far. */
int64_t work_commits(const struct work *work);
/* For how long the writer has been at the batch that it is at; 0 = it has none. */
int64_t work_busy_ms(const struct work *work);
/* Whether the writer has just waited in vain for another process to let go of the database. */
bool work_locked(const struct work *work);
/* Ends the writer after the jobs that wait (their done functions run), checkpoints the WAL, closes.
 * Loop thread; calls closed(arg) on the loop thread when everything is over; work is freed then. */
void work_close(struct work *work, void (*closed)(void *arg), void *arg);

#endif
