/* The callbacks of a child: settling, in which every child ends; then starting; then stopping, the
 * lease among it. */
#include "server/runs/child.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/base/program.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/runs/forgotten.h"
#include "server/runs/ingest.h"
#include "server/runs/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GRACE_MS = 10000, LATE_MS = 5000 };

struct child *child_new(struct children *children)
{
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL)
        return NULL;
    child->children = children;
    child->log = -1;
    return child;
}

void child_drop(struct child *child)
{
    claim_done(&child->claim);
    free(child);
}

static void child_add(struct child *child)
{
    child->heard_ms = clock_mono_ms();
    child->next = child->children->first;
    child->children->first = child;
}

static void child_free(struct child *child)
{
    struct children *children = child->children;
    for (struct child **at = &children->first; *at != NULL; at = &(*at)->next)
        if (*at == child) {
            *at = child->next;
            break;
        }
    child_drop(child);
    children->gone(children);
}

static struct log_about about(const struct child *child)
{
    return (struct log_about){ .experiment = child->experiment,
                               .run = child->load.run,
                               .attempt = child->attempt };
}

/* settling */

static int settle_run(struct job *job, struct store *store, struct err *err)
{
    struct child *child = job->data;
    return attempt_settle(store, child->children->datadir, child->load.run, child->attempt,
                          &child->end, &child->found, err);
}

static void settle(struct child *child);

static void settle_done(struct job *job)
{
    struct child *child = job->data;
    struct children *children = child->children;
    const struct attempt_found *found = &child->found;
    child->settling = false;
    bool new_trouble = job->status != child->told;
    child->told = job->status;
    if (child->pid == 0)
        child->pid = found->pid; /* a daemon died before it had stored it */
    const struct log_about it = about(child);
    if (job->status != 0 && new_trouble)
        log_write(LOG_ERROR, &it, "it can't be settled: %s", job->err.message);
    else if (job->status == 0 && found->verdict.reason[0] != '\0')
        log_write(LOG_WARN, &it, "%s", found->verdict.reason);
    bool watched = job->status == 0 ? found->alive : job->status != -ERR_NOT_FOUND;
    if (job->status == 0 && found->more)
        settle(child);
    else if (watched && !(children->closing && (!children->stop_workers || job->status != 0)))
        children->restless(children); /* the next tick asks again, or the next daemon */
    else
        child_free(child);
}

static void settle(struct child *child)
{
    if (child->settling)
        return;
    child->over = child->settling = true;
    child->job = (struct job){ .run = settle_run, .done = settle_done, .data = child };
    work_write(child->children->work, &child->job);
}

void child_watch(struct child *child)
{
    child_add(child);
    settle(child);
}

/* starting */

static void on_reaper_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    child->reaped = false;
    if (child->ended)
        settle(child);
    else
        child_free(child); /* the daemon ends; the worker lives on */
}

static void on_ended(struct reaper *reaper, int status)
{
    struct child *child = reaper->signal.data;
    child->ended = true;
    child->end.keeper_signal =
        WIFSIGNALED(status) ? WTERMSIG(status) : 0; /* exit.json has the trainer's */
    reaper_close(reaper, on_reaper_closed);
}

static bool is_transient(int error)
{
    static const int errors[] = { EAGAIN, ENOMEM, EMFILE, ENFILE, ENOSPC };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i] == error)
            return true;
    return false;
}

/* A full disk and a folder that is away are no fault of the run, and pass: another attempt follows.
 * A file that can't be read stays so: that ends the run's attempts, or its verification. */
static bool is_passing(int status)
{
    return status == -ERR_DISK_FULL || status == -ERR_UNAVAILABLE;
}

static void not_started(struct child *child, const char *why, bool transient)
{
    const struct log_about it = about(child);
    log_write(LOG_ERROR, &it, "it could not be started: %s", why);
    snprintf(child->end.failure, sizeof child->end.failure, "%s", why);
    child->end.transient = transient;
    child->children->trouble(child->children);
}

/* The pid matters only to a stop after the daemon's next start: nobody waits for this. */
struct pid_note {
    struct job job;
    int64_t run, attempt, pid;
};

static int note_run(struct job *job, struct store *store, struct err *err)
{
    const struct pid_note *note = job->data;
    return store_attempt_pid(store, note->run, note->attempt, note->pid, err);
}

static void note_done(struct job *job)
{
    free(job->data);
}

static void note_pid(const struct child *child)
{
    struct pid_note *note = calloc(1, sizeof *note);
    if (note == NULL)
        return;
    *note =
        (struct pid_note){ .run = child->load.run, .attempt = child->attempt, .pid = child->pid };
    note->job = (struct job){ .run = note_run, .done = note_done, .data = note };
    work_write(child->children->work, &note->job);
}

static void spawn_on_pool(uv_work_t *request)
{
    struct child *child = request->data;
    const struct children *children = child->children;
    char dir[PATH_MAX];
    attempt_path(children->datadir, child->load.run, child->attempt, dir);
    const char *const args[] = { children->worker_path, "run", "--dir", dir, NULL };
    const struct program worker = {
        .path = args[0],
        .args = args,
        .folder = children->datadir->path,
        .in = -1,
        .out = child->log,
        .err = child->log,
        .session = true,
    };
    child->spawn_error = program_start(&worker, &child->spawned);
    close(child->log);
    child->log = -1;
}

static void follow(struct child *child)
{
    struct children *children = child->children;
    if (child->spawn_error != 0) {
        char why[256];
        snprintf(why, sizeof why, "%.200s: %s", children->worker_path,
                 uv_strerror(uv_translate_sys_error(child->spawn_error)));
        not_started(child, why, is_transient(child->spawn_error));
        settle(child);
        return;
    }
    child->pid = child->spawned;
    note_pid(child);
    const struct log_about it = about(child);
    log_write(LOG_INFO, &it, "started, pid %lld", (long long)child->pid);
    if (children->closing && !children->stop_workers) {
        child_free(child); /* the daemon ends; the worker lives on */
        return;
    }
    child->reaped = true;
    child->reaper.signal.data = child;
    reaper_watch(&child->reaper, children->loop, child->spawned, on_ended);
    children->restless(children);
}

static void spawned(uv_work_t *request, int uv_status)
{
    struct watch_mark mark = watch_enter("start of a worker", "");
    (void)uv_status; /* never cancelled */
    follow(request->data);
    watch_leave(mark);
}

static void prepare_on_pool(uv_work_t *request)
{
    struct child *child = request->data;
    const struct children *children = child->children;
    const struct datadir *datadir = children->datadir;
    int64_t threads =
        child->load.exclusive ? uv_available_parallelism() : children->threads_per_run;
    char dir[PATH_MAX];
    attempt_path(datadir, child->load.run, child->attempt, dir);
    child->status = datadir_check(datadir, &child->err);
    if (child->status == 0)
        child->status = owner_take(datadir, &child->claim.origin, child->aside, &child->err);
    child->end.forgotten = child->status == 0 && forgotten_attempt(dir);
    if (child->end.forgotten || child->status != 0)
        return;
    child->status =
        attempt_check_artifacts(datadir, &child->claim, &child->end.damaged, &child->err);
    if (child->status == 0 && child->end.damaged.name[0] == '\0')
        child->status = attempt_prepare(datadir, &child->claim, threads, &child->log, &child->err);
}

static void go_on(struct child *child)
{
    if (child->children->closing && child->end.stop == STOP_NONE)
        child->end.stop = STOP_SHUTDOWN;
    if (child->status != 0)
        not_started(child, child->err.message, is_passing(child->status));
    const struct log_about it = about(child);
    if (child->aside[0] != '\0')
        log_write(LOG_WARN, &it, "its folder was one of another run or database; that is now %s",
                  child->aside);
    if (child->end.forgotten)
        log_write(LOG_WARN, &it,
                  "it had begun before, and the store had forgotten it: what it has left is read "
                  "first");
    if (child->status == 0 && child->end.stop == STOP_NONE && !child->end.forgotten &&
        child->end.damaged.name[0] == '\0') {
        uv_queue_work(child->children->loop, &child->start, spawn_on_pool, spawned);
        return;
    }
    if (child->log >= 0)
        close(child->log);
    child->log = -1;
    settle(child);
}

static void prepared(uv_work_t *request, int uv_status)
{
    struct watch_mark mark = watch_enter("start of a worker", "");
    (void)uv_status; /* never cancelled */
    go_on(request->data);
    watch_leave(mark);
}

void child_start(struct child *child)
{
    child_add(child);
    if (child->children->closing) {
        child->end.stop = STOP_SHUTDOWN;
        settle(child);
        return;
    }
    child->start.data = child;
    uv_queue_work(child->children->loop, &child->start, prepare_on_pool, prepared);
}

/* stopping */

/* Kills a worker's process group; returns what happened, for the log. When the lock is held by a
 * process that isn't to be seen, the run waits until somebody ends that process. */
static const char *kill_worker(const struct child *child)
{
    return attempt_kill(child->children->datadir, child->load.run, child->attempt,
                        (pid_t)child->pid)
               ? "is killed"
               : "can't be killed: its process isn't to be seen";
}

static void ask_to_stop(struct child *child)
{
    struct children *children = child->children;
    if (children->ingest != NULL)
        ingest_stop(children->ingest, child->load.run,
                    child->end.stop == STOP_CANCEL ? "cancelled" : "the daemon is ending");
    if (clock_mono_ms() < child->kill_at_ms || child->pid == 0)
        return;
    const struct log_about it = about(child);
    log_write(LOG_WARN, &it, "it has not stopped in %d s and %s", GRACE_MS / 1000,
              kill_worker(child));
}

void child_stop(struct child *child, enum attempt_stop why)
{
    if (child->end.stop == STOP_NONE)
        child->kill_at_ms = clock_mono_ms() + GRACE_MS;
    if (child->end.stop != STOP_CANCEL)
        child->end.stop = why;
    ask_to_stop(child);
    child->children->restless(child->children);
}

void children_heard(struct children *children, int64_t run)
{
    for (struct child *k = children->first; k != NULL; k = k->next)
        if (k->load.run == run && k->end.stop != STOP_NONE)
            ask_to_stop(k);
}

/* A worker of which nothing was heard for a lease is killed, keeper and trainer. Its attempt is
 * over only when its lock is free, so that it can't write on beside the next attempt. */
static void check_lease(struct child *child, int64_t now)
{
    const struct children *children = child->children;
    int64_t lease = children->lease_ms;
    int64_t heard =
        children->ingest != NULL ? ingest_heard(children->ingest, child->load.run) : now;
    child->heard_ms = heard > child->heard_ms ? heard : child->heard_ms;
    if (lease <= 0 || child->pid == 0 || now - child->heard_ms < lease)
        return;
    const char *killed = kill_worker(child);
    const struct log_about it = about(child);
    if (child->end.silent_ms == 0)
        log_write(LOG_WARN, &it, "it hasn't been heard of for %lld s and %s",
                  (long long)(now - child->heard_ms) / 1000, killed);
    child->end.silent_ms = now - child->heard_ms;
}

void children_tick(struct children *children)
{
    /* A daemon that was stopped for a while has read nothing meanwhile: leases begin anew. */
    int64_t now = clock_mono_ms();
    bool late = now - children->ticked_ms > LATE_MS;
    children->ticked_ms = now;
    for (struct child *k = children->first; k != NULL; k = k->next)
        if (late)
            k->heard_ms = now;
        else
            check_lease(k, now);
    for (struct child *k = children->first, *next; k != NULL; k = next) {
        next = k->next;
        if (k->end.stop != STOP_NONE)
            ask_to_stop(k);
        if (k->over)
            settle(k);
    }
}

bool children_need_ticks(const struct children *children)
{
    return children->first != NULL;
}

void children_close(struct children *children, bool stop_workers)
{
    children->closing = true;
    children->stop_workers = stop_workers;
    for (struct child *k = children->first, *next; k != NULL; k = next) {
        next = k->next;
        if (stop_workers)
            child_stop(k, STOP_SHUTDOWN);
        else if (k->reaped && !k->ended)
            reaper_close(&k->reaper, on_reaper_closed);
        else if (k->over && !k->settling)
            child_free(k); /* watched only */
    }
}
