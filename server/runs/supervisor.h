/* supervisor: from a queued run to a process and back.
 *
 * Claims runs when slots and memory allow. Each claim becomes a child (child.h), which makes the
 * attempt's folder, spawns `ablate-worker run --dir …` (the keeper) in a session of its own, and
 * settles the run when that has gone, by what it said, a cancel, then exit.json (schema/wire.md has
 * the order). It knows nothing of HTTP. Workers outlive the daemon; the supervisor does no work of its own, so
 * there is little in it that can fail.
 */
#ifndef ABLATE_SERVER_SUPERVISOR_H
#define ABLATE_SERVER_SUPERVISOR_H

#include "server/jobs/work.h"
#include "server/runs/queue.h"

#include <uv.h>

struct supervisor;
struct ingest;
struct datadir;

struct supervisor_config {
    const struct datadir *datadir;  /* borrowed, as long as the supervisor lives */
    const char *worker_path;        /* the ablate-worker program; borrowed likewise */
    int64_t slots, threads_per_run; /* 0 or less: what the machine's cores allow */
    int64_t memory_bytes;           /* that the estimates of what runs may add up to */
    int64_t lease_ms; /* without a word of a worker, before it is killed; 0 = for ever */
};
/* Loop thread, as everything here. Begins to look for the workers that run already. Errors: USAGE
 * (the worker program can't be run), NO_MEMORY. */
int supervisor_new(uv_loop_t *loop, const struct supervisor_config *config, struct work *work,
                   struct supervisor **ret, struct err *err);
/* Connects it to the workers' socket, before any worker connects. */
void supervisor_attach(struct supervisor *supervisor, struct ingest *ingest);
/* Something may have changed (a run was queued, cancelled, ended): looks again, soon. */
void supervisor_kick(struct supervisor *supervisor);
/* Asks a running run's trainer to stop, now; kills it when it hasn't after a grace. The store must
 * say already that the run is to be cancelled. */
void supervisor_stop_run(struct supervisor *supervisor, int64_t run);
/* The same for all of an experiment's. */
void supervisor_stop_runs(struct supervisor *supervisor, const int64_t *runs, size_t n);
void supervisor_stop_experiment(struct supervisor *supervisor, int64_t experiment);
/* halted: claims nothing until it is said otherwise; what runs goes on. */
void supervisor_halt(struct supervisor *supervisor, bool halted);
/* Borrowed; `paused` is as the last claim saw it. */
const struct queue_limits *supervisor_limits(const struct supervisor *supervisor);
/* Claims nothing from now on. stop_workers: running trainers are stopped and their runs queued
 * again. closed(arg) once no keeper is awaited; until supervisor_free the other functions may
 * still be called, and do nothing.
 */
void supervisor_close(struct supervisor *supervisor, bool stop_workers, void (*closed)(void *),
                      void *arg);
/* After closed was called, once nobody asks it anything any more. NULL is accepted. */
void supervisor_free(struct supervisor *supervisor);

#endif
