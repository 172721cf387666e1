/* child: the daemon's side of a worker, from the claim until its run is settled:
 *
 *   claimed → folder made (pool) → spawned (pool) → its process ends → settled (writer) → freed
 *
 * An attempt is over when its lock is free, not when a process has ended: keeper and trainer share
 * the lock, and the trainer may outlive the keeper by a moment. So settling asks the lock first, on
 * the writer thread, and comes again with the next tick while it is held. A worker that another
 * daemon started is only watched: its child here is one that is about to be settled.
 *
 * Inside runs/, for the supervisor alone. Loop thread.
 */
#ifndef ABLATE_SERVER_CHILD_H
#define ABLATE_SERVER_CHILD_H

#include "server/jobs/reaper.h"
#include "server/jobs/work.h"
#include "server/runs/attempt.h"

#include <uv.h>

struct child;
struct ingest;

struct children {
    uv_loop_t *loop;
    const struct datadir *datadir;
    const char *worker_path;           /* the ablate-worker program */
    int64_t threads_per_run, lease_ms; /* lease_ms: supervisor.h */
    struct work *work;
    struct ingest *ingest;
    struct child *first;
    int64_t ticked_ms; /* 0 = not yet */
    bool closing, stop_workers;
    /* What children tell the supervisor. */
    void (*gone)(struct children *); /* a child was freed */
    void (*trouble)(
        struct children *); /* one couldn't be started, perhaps for the machine's sake */
    void (*restless)(struct children *); /* one wants ticks */
};

/* What a child is to the queue. */
struct child_load {
    int64_t run, memory_bytes;
    bool exclusive;
};

struct child {
    struct children *children;
    struct child *next;
    struct child_load load;
    int64_t attempt, experiment, pid; /* pid 0 = unknown */
    bool over;                        /* no process of ours runs for it: the lock tells its end */
    bool settling;                    /* a job is under way */
    bool ended;                       /* its process has */
    bool reaped;                      /* reaper is an open handle */
    int64_t kill_at_ms;
    int64_t heard_ms; /* a word of its trainer, or its beginning here */
    struct attempt_end end;
    struct reaper reaper;
    struct job job;
    int told; /* what settling met with last time */
    struct attempt_found found;

    struct claim claim;   /* what it is started from; spec is owned */
    char aside[PATH_MAX]; /* where the folder of a stranger was moved to that stood in the way */
    uv_work_t start;
    int log;
    int status;
    pid_t spawned;
    int spawn_error; /* errno */
    struct err err;
};

/* A child that isn't in the list yet; NULL when memory runs out. Any thread. */
struct child *child_new(struct children *children);
/* Frees one that isn't in the list. Any thread. */
void child_drop(struct child *child);
/* Puts it into the list and starts its claim's worker. */
void child_start(struct child *child);
/* Puts it into the list and watches a worker that runs already, if it does. */
void child_watch(struct child *child);
/* Asks the trainer to stop; killed when it hasn't after a grace. */
void child_stop(struct child *child, enum attempt_stop why);
/* A run's trainer has connected. If its child was told to stop before that, the trainer is asked to
 * stop now. */
void children_heard(struct children *children, int64_t run);
/* Settles what is over, asks what is to stop, and kills the workers of which nothing was heard for
 * a lease. To be called once a second while children_need_ticks(). */
void children_tick(struct children *children);
bool children_need_ticks(const struct children *children);
/* The daemon ends. stop_workers: every trainer is asked to stop. Otherwise children whose workers
 * train on are freed; those that are being settled are freed when that is done. */
void children_close(struct children *children, bool stop_workers);

#endif
