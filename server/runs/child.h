/* keeper: the daemon's side of a worker, from the claim until its run is settled:
 *
 *   claimed → folder made (pool) → spawned → its process ends → settled (writer) → freed
 *
 * An attempt is over when its lock is free, not when a process has ended: keeper and trainer share
 * the lock, and the trainer may outlive the keeper by a moment. So settling asks the lock first, on
 * the writer thread, and comes again with the next tick while it is held. A worker that another
 * daemon started is only watched: its keeper is one that is about to be settled.
 *
 * Inside runs/, for the supervisor alone. Loop thread.
 */
#ifndef ABLATE_SERVER_KEEPER_H
#define ABLATE_SERVER_KEEPER_H

#include "server/runs/attempt.h"
#include "server/runs/supervisor.h"

struct keeper;

struct keepers {
    uv_loop_t *loop;
    struct supervisor_config config;
    struct work *work;
    struct ingest *ingest;
    struct keeper *first;
    int64_t ticked_ms; /* 0 = not yet */
    bool closing, stop_workers;
    /* To the supervisor: one was freed; one could not be started, for reasons that may be the
     * machine's; one wants ticks. */
    void (*gone)(struct keepers *);
    void (*trouble)(struct keepers *);
    void (*restless)(struct keepers *);
};

/* What a keeper is to the queue. */
struct keeper_load {
    int64_t run, memory_bytes;
    bool exclusive;
};

struct keeper {
    struct keepers *keepers;
    struct keeper *next;
    struct keeper_load load;
    int64_t attempt, experiment, pid; /* pid 0 = unknown */
    bool over;                        /* nothing of ours to wait for: the lock tells */
    bool settling;                    /* a job is under way */
    bool ended;                       /* its process has */
    bool spawned;                     /* process is an open handle */
    int64_t kill_at_ms;
    int64_t heard_ms; /* a word of its trainer, or its beginning here */
    struct attempt_end end;
    uv_process_t process;
    struct job job;
    int told; /* what settling met with last time */
    struct attempt_found found;

    struct claim claim;   /* what it is started from; spec is owned */
    char aside[PATH_MAX]; /* where the folder of a stranger was moved to that stood in the way */
    uv_work_t prepare;
    int log;
    int status;
    struct err err;
};

/* A keeper that isn't in the list yet; NULL when memory runs out. Any thread. */
struct keeper *keeper_new(struct keepers *keepers);
/* Frees one that isn't in the list. Any thread. */
void keeper_drop(struct keeper *keeper);
/* Puts it into the list and starts its claim's worker. */
void keeper_start(struct keeper *keeper);
/* Puts it into the list and watches a worker that runs already, if it does. */
void keeper_watch(struct keeper *keeper);
/* Asks the trainer to stop; killed when it hasn't after a grace. */
void keeper_stop(struct keeper *keeper, enum attempt_stop why);
/* A run's trainer has just said hello: it hears at once what it was asked before that. */
void keepers_heard(struct keepers *keepers, int64_t run);
/* Also ends the lease of those who have been silent too long. Once a second while
 * keepers_need_ticks(). */
void keepers_tick(struct keepers *keepers);
bool keepers_need_ticks(const struct keepers *keepers);
/* Lets go of those whose workers live on, or stops them all; the rest go by themselves. */
void keepers_close(struct keepers *keepers, bool stop_workers);

#endif
