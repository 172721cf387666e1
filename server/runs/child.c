#include "server/runs/child.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/data/datadir.h"
#include "server/runs/forgotten.h"
#include "server/runs/ingest.h"
#include "server/runs/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GRACE_MS = 10000, LATE_MS = 5000 };

struct keeper *keeper_new(struct keepers *keepers)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return NULL;
    keeper->keepers = keepers;
    keeper->log = -1;
    return keeper;
}

void keeper_drop(struct keeper *keeper)
{
    claim_done(&keeper->claim);
    free(keeper);
}

static void keeper_add(struct keeper *keeper)
{
    keeper->heard_ms = clock_mono_ms();
    keeper->next = keeper->keepers->first;
    keeper->keepers->first = keeper;
}

static void keeper_free(struct keeper *keeper)
{
    struct keepers *keepers = keeper->keepers;
    for (struct keeper **at = &keepers->first; *at != NULL; at = &(*at)->next)
        if (*at == keeper) {
            *at = keeper->next;
            break;
        }
    keeper_drop(keeper);
    keepers->gone(keepers);
}

static struct log_about about(const struct keeper *keeper)
{
    return (struct log_about){ .experiment = keeper->experiment,
                               .run = keeper->load.run,
                               .attempt = keeper->attempt };
}

/* settling */

static int settle_run(struct job *job, struct store *store, struct err *err)
{
    struct keeper *keeper = job->data;
    return attempt_settle(store, keeper->keepers->config.datadir, keeper->load.run, keeper->attempt,
                          &keeper->end, &keeper->found, err);
}

static void settle(struct keeper *keeper);

static void settle_done(struct job *job)
{
    struct keeper *keeper = job->data;
    struct keepers *keepers = keeper->keepers;
    const struct attempt_found *found = &keeper->found;
    keeper->settling = false;
    bool new_trouble = job->status != keeper->told;
    keeper->told = job->status;
    if (keeper->pid == 0)
        keeper->pid = found->pid; /* a daemon died before it had stored it */
    const struct log_about it = about(keeper);
    if (job->status != 0 && new_trouble)
        log_write(LOG_ERROR, &it, "it can't be settled: %s", job->err.message);
    else if (job->status == 0 && found->verdict.reason[0] != '\0')
        log_write(LOG_WARN, &it, "%s", found->verdict.reason);
    bool watched = job->status == 0 ? found->alive : job->status != -ERR_NOT_FOUND;
    if (job->status == 0 && found->more)
        settle(keeper);
    else if (watched && !(keepers->closing && (!keepers->stop_workers || job->status != 0)))
        keepers->restless(keepers); /* the next tick asks again, or the next daemon */
    else
        keeper_free(keeper);
}

static void settle(struct keeper *keeper)
{
    if (keeper->settling)
        return;
    keeper->over = keeper->settling = true;
    keeper->job = (struct job){ .run = settle_run, .done = settle_done, .data = keeper };
    work_write(keeper->keepers->work, &keeper->job);
}

void keeper_watch(struct keeper *keeper)
{
    keeper_add(keeper);
    settle(keeper);
}

/* starting */

static void on_process_closed(uv_handle_t *handle)
{
    struct keeper *keeper = handle->data;
    keeper->spawned = false;
    if (keeper->ended || keeper->end.failure[0] != '\0')
        settle(keeper);
    else
        keeper_free(keeper); /* the daemon ends; the worker lives on */
}

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
    struct keeper *keeper = process->data;
    (void)status; /* exit.json has the trainer's */
    keeper->ended = true;
    keeper->end.keeper_signal = signal;
    uv_close((uv_handle_t *)process, on_process_closed);
}

static bool is_transient(int uv_code)
{
    static const int codes[] = { UV_EAGAIN, UV_ENOMEM, UV_EMFILE, UV_ENFILE, UV_ENOSPC };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == uv_code)
            return true;
    return false;
}

/* A full disk, or a folder that is away, is the machine's or an operator's, and no fault of the
 * run. A file that can't be read is: its attempts, or its verification, come to an end. */
static bool is_passing(int status)
{
    return status == -ERR_DISK_FULL || status == -ERR_UNAVAILABLE;
}

static void not_started(struct keeper *keeper, const char *why, bool transient)
{
    const struct log_about it = about(keeper);
    log_write(LOG_ERROR, &it, "it could not be started: %s", why);
    snprintf(keeper->end.failure, sizeof keeper->end.failure, "%s", why);
    keeper->end.transient = transient;
    keeper->keepers->trouble(keeper->keepers);
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

static void note_pid(const struct keeper *keeper)
{
    struct pid_note *note = calloc(1, sizeof *note);
    if (note == NULL)
        return;
    *note = (struct pid_note){ .run = keeper->load.run,
                               .attempt = keeper->attempt,
                               .pid = keeper->pid };
    note->job = (struct job){ .run = note_run, .done = note_done, .data = note };
    work_write(keeper->keepers->work, &note->job);
}

static void spawn(struct keeper *keeper)
{
    struct keepers *keepers = keeper->keepers;
    char dir[PATH_MAX];
    attempt_path(keepers->config.datadir, keeper->load.run, keeper->attempt, dir);
    char *args[] = { (char *)(uintptr_t)keepers->config.worker_path, "run", "--dir", dir, NULL };
    uv_stdio_container_t stdio[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = keeper->log },
        { .flags = UV_INHERIT_FD, .data.fd = keeper->log },
    };
    const uv_process_options_t options = {
        .exit_cb = on_ended,
        .file = args[0],
        .args = args,
        .cwd = keepers->config.datadir->path,
        .flags = UV_PROCESS_DETACHED, /* a session of its own */
        .stdio = stdio,
        .stdio_count = 3,
    };
    keeper->process.data = keeper;
    keeper->spawned = true;
    int code = uv_spawn(keepers->loop, &keeper->process, &options);
    close(keeper->log);
    keeper->log = -1;
    if (code != 0) {
        char why[256];
        snprintf(why, sizeof why, "%s: %s", args[0], uv_strerror(code));
        not_started(keeper, why, is_transient(code));
        uv_close((uv_handle_t *)&keeper->process, on_process_closed);
        return;
    }
    keeper->pid = keeper->process.pid;
    note_pid(keeper);
    keepers->restless(keepers);
    const struct log_about it = about(keeper);
    log_write(LOG_INFO, &it, "started, pid %lld", (long long)keeper->pid);
}

static void prepare_on_pool(uv_work_t *request)
{
    struct keeper *keeper = request->data;
    const struct supervisor_config *config = &keeper->keepers->config;
    int64_t threads = keeper->load.exclusive ? uv_available_parallelism() : config->threads_per_run;
    char dir[PATH_MAX];
    attempt_path(config->datadir, keeper->load.run, keeper->attempt, dir);
    keeper->status = datadir_check(config->datadir, &keeper->err);
    if (keeper->status == 0)
        keeper->status =
            owner_take(config->datadir, &keeper->claim.origin, keeper->aside, &keeper->err);
    keeper->end.forgotten = keeper->status == 0 && forgotten_attempt(dir);
    if (keeper->end.forgotten || keeper->status != 0)
        return;
    keeper->status = attempt_check_artifacts(config->datadir, &keeper->claim, &keeper->end.damaged,
                                             &keeper->err);
    if (keeper->status == 0 && keeper->end.damaged.name[0] == '\0')
        keeper->status =
            attempt_prepare(config->datadir, &keeper->claim, threads, &keeper->log, &keeper->err);
}

static void prepared(uv_work_t *request, int uv_status)
{
    struct keeper *keeper = request->data;
    (void)uv_status; /* never cancelled */
    if (keeper->keepers->closing && keeper->end.stop == STOP_NONE)
        keeper->end.stop = STOP_SHUTDOWN;
    if (keeper->status != 0)
        not_started(keeper, keeper->err.message, is_passing(keeper->status));
    const struct log_about it = about(keeper);
    if (keeper->aside[0] != '\0')
        log_write(LOG_WARN, &it, "its folder was one of another run or database; that is now %s",
                  keeper->aside);
    if (keeper->end.forgotten)
        log_write(LOG_WARN, &it,
                  "it had begun before, and the store had forgotten it: what it has left is read "
                  "first");
    if (keeper->status == 0 && keeper->end.stop == STOP_NONE && !keeper->end.forgotten &&
        keeper->end.damaged.name[0] == '\0')
        spawn(keeper);
    else
        settle(keeper);
    if (keeper->log >= 0)
        close(keeper->log);
    keeper->log = -1;
}

void keeper_start(struct keeper *keeper)
{
    keeper_add(keeper);
    if (keeper->keepers->closing) {
        keeper->end.stop = STOP_SHUTDOWN;
        settle(keeper);
        return;
    }
    keeper->prepare.data = keeper;
    uv_queue_work(keeper->keepers->loop, &keeper->prepare, prepare_on_pool, prepared);
}

/* stopping */

/* Kills, and has words for it. While the process of a lock that is held isn't to be seen, the run
 * waits, and only people can help. */
static const char *kill_worker(const struct keeper *keeper)
{
    return attempt_kill(keeper->keepers->config.datadir, keeper->load.run, keeper->attempt,
                        (pid_t)keeper->pid)
               ? "is killed"
               : "can't be killed: its process isn't to be seen";
}

static void ask_to_stop(struct keeper *keeper)
{
    struct keepers *keepers = keeper->keepers;
    if (keepers->ingest != NULL)
        ingest_stop(keepers->ingest, keeper->load.run,
                    keeper->end.stop == STOP_CANCEL ? "cancelled" : "the daemon is ending");
    if (clock_mono_ms() < keeper->kill_at_ms || keeper->pid == 0)
        return;
    const struct log_about it = about(keeper);
    log_write(LOG_WARN, &it, "it has not stopped in %d s and %s", GRACE_MS / 1000,
              kill_worker(keeper));
}

void keeper_stop(struct keeper *keeper, enum attempt_stop why)
{
    if (keeper->end.stop == STOP_NONE)
        keeper->kill_at_ms = clock_mono_ms() + GRACE_MS;
    if (keeper->end.stop != STOP_CANCEL)
        keeper->end.stop = why;
    ask_to_stop(keeper);
    keeper->keepers->restless(keeper->keepers);
}

void keepers_heard(struct keepers *keepers, int64_t run)
{
    for (struct keeper *k = keepers->first; k != NULL; k = k->next)
        if (k->load.run == run && k->end.stop != STOP_NONE)
            ask_to_stop(k);
}

/* Who says nothing for a lease is killed, keeper and all; what the attempt's lock says afterwards
 * counts as ever, so that it can't write on beside the next one. */
static void check_lease(struct keeper *keeper, int64_t now)
{
    const struct keepers *keepers = keeper->keepers;
    int64_t lease = keepers->config.lease_ms;
    int64_t heard = keepers->ingest != NULL ? ingest_heard(keepers->ingest, keeper->load.run) : now;
    keeper->heard_ms = heard > keeper->heard_ms ? heard : keeper->heard_ms;
    if (lease <= 0 || keeper->pid == 0 || now - keeper->heard_ms < lease)
        return;
    const char *killed = kill_worker(keeper);
    const struct log_about it = about(keeper);
    if (keeper->end.silent_ms == 0)
        log_write(LOG_WARN, &it, "it hasn't been heard of for %lld s and %s",
                  (long long)(now - keeper->heard_ms) / 1000, killed);
    keeper->end.silent_ms = now - keeper->heard_ms;
}

void keepers_tick(struct keepers *keepers)
{
    /* A daemon that was stopped itself has read nothing: whose fault the silence was isn't known.
     */
    int64_t now = clock_mono_ms();
    bool late = now - keepers->ticked_ms > LATE_MS;
    keepers->ticked_ms = now;
    for (struct keeper *k = keepers->first; k != NULL; k = k->next)
        if (late)
            k->heard_ms = now;
        else
            check_lease(k, now);
    for (struct keeper *k = keepers->first, *next; k != NULL; k = next) {
        next = k->next;
        if (k->end.stop != STOP_NONE)
            ask_to_stop(k);
        if (k->over)
            settle(k);
    }
}

bool keepers_need_ticks(const struct keepers *keepers)
{
    return keepers->first != NULL;
}

void keepers_close(struct keepers *keepers, bool stop_workers)
{
    keepers->closing = true;
    keepers->stop_workers = stop_workers;
    for (struct keeper *k = keepers->first, *next; k != NULL; k = next) {
        next = k->next;
        if (stop_workers)
            keeper_stop(k, STOP_SHUTDOWN);
        else if (k->spawned && !uv_is_closing((uv_handle_t *)&k->process))
            uv_close((uv_handle_t *)&k->process, on_process_closed);
        else if (k->over && !k->settling)
            keeper_free(k); /* watched only */
    }
}
