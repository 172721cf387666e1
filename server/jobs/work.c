/* The writer: its thread, the commits that it makes of waiting jobs, and their way back to the
 * loop. Readers, the pool and delays are work_beside.c's. */
#include "server/jobs/work.h"

#include "common/base/clock.h"
#include "common/base/shortage.h"
#include "server/base/watch.h"
#include "server/jobs/work_beside.h"
#include "server/jobs/work_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BATCH_MS = 50,
    BATCH_ROWS = 5000,
    QUEUE_MAX = 100000,
    LOOK_MS = 250,     /* at an idle WAL: how soon the clock is asked again */
    LOCKED_MS = 10000, /* a lock that was met is taken to be held for so long */
    ENDS_US = 1000,    /* how far into its part of a turn the loop begins another job's end */
    FOREVER = -1
};

/* the writer */

static void run_job(struct work *work, struct job *job)
{
    job->err = (struct err){ 0 };
    job->more = false;
    job->status = store_savepoint(work->writer, &job->err);
    if (job->status != 0)
        return;
    shortage_begin();
    job->status = shortage_end(job->run(job, work->writer, &job->err), &job->err);
    struct err release = { 0 };
    int status = store_release(work->writer, job->status == 0, &release);
    if (status != 0 && job->status == 0) {
        job->status = status;
        job->err = release;
    }
}

/* Sleeps so long at most, until somebody wakes the writer. False when nobody has. */
static bool sleep_for(struct work *work, int64_t ms)
{
    if (ms == FOREVER)
        return pthread_cond_wait(&work->arrived, &work->lock) == 0;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return pthread_cond_timedwait(&work->arrived, &work->lock, &until) == 0;
}

/* Takes the first waiting job; sleeps until there is one or the end, but so long at most. */
static struct job *take_job(struct work *work, int64_t wait_ms)
{
    pthread_mutex_lock(&work->lock);
    while (wait_ms != 0 && work->first == NULL && !work->stopping && sleep_for(work, wait_ms))
        ;
    struct job *job = work->first;
    if (job != NULL) {
        work->first = job->next;
        if (work->first == NULL)
            work->last = NULL;
        job->next = NULL;
    }
    pthread_mutex_unlock(&work->lock);
    return job;
}

static void append(struct job **first, struct job **last, struct job *job)
{
    job->next = NULL;
    if (*last != NULL)
        (*last)->next = job;
    else
        *first = job;
    *last = job;
}

/* Jobs that have more to do wait once more; the others are on their way back. Under the lock. */
static void queue_again(struct work *work, struct outcome *outcome)
{
    struct job *job = outcome->first;
    outcome->first = outcome->last = NULL;
    for (struct job *next; job != NULL; job = next) {
        next = job->next;
        if (job->status == 0 && job->more)
            append(&work->first, &work->last, job);
        else
            append(&outcome->first, &outcome->last, job);
    }
}

static void give_back(struct work *work, struct outcome *outcome, bool committed,
                      const struct err *fatal)
{
    pthread_mutex_lock(&work->lock);
    queue_again(work, outcome);
    work->commits += committed;
    *work->outcomes_end = outcome;
    work->outcomes_end = &outcome->next;
    if (fatal != NULL)
        work->fatal = *fatal;
    pthread_mutex_unlock(&work->lock);
    uv_async_send(&work->wake);
}

static void fail_all(struct job *job, int status, const struct err *err)
{
    for (; job != NULL; job = job->next) {
        if (job->status != 0)
            continue;
        job->status = status;
        job->err = *err;
    }
}

/* Whether the batch may take another job. It never waits for one: what arrives during its commit
 * makes the next batch. */
static bool has_room(const struct work *work, int64_t start_ms)
{
    return store_in_transaction(work->writer) && store_changes(work->writer) < BATCH_ROWS &&
           clock_mono_ms() - start_ms < BATCH_MS;
}

/* A commit that fails for want of room can be tried again. After a failure of the disk itself, or
 * of COMMIT for any other reason, nobody knows what is on the disk. */
static bool is_fatal(const struct work *work, int commit_status)
{
    return store_damaged(work->writer) || commit_status == -ERR_STORAGE;
}

static int commit(struct work *work, struct outcome *outcome, struct err *err)
{
    if (!store_in_transaction(work->writer)) { /* an error has ended it, and all jobs with it */
        for (const struct job *job = outcome->first; job != NULL; job = job->next)
            if (job->status == -ERR_DISK_FULL) { /* theirs, too: it can be waited for */
                *err = job->err;
                return job->status;
            }
        return err_set(err, ERR_UNAVAILABLE,
                       "what was written beside this could not be: the transaction was given up");
    }
    int status = 0;
    if (work->hooks.collect != NULL) {
        shortage_begin();
        status = shortage_end(
            work->hooks.collect(work->writer, &outcome->batch, work->hooks.arg, err), err);
    }
    return status == 0 ? store_commit(work->writer, err) : status;
}

static void note_lock(struct work *work, bool locked)
{
    pthread_mutex_lock(&work->lock);
    work->locked_at_ms = locked ? clock_mono_ms() : 0;
    pthread_mutex_unlock(&work->lock);
}

/* One transaction: the job given and all that wait, within the limits of a batch. When somebody
 * else holds the database's lock for longer than SQLite waits, it is refused to all of them at
 * once: one after the other, the last would wait as many times as long. */
static void run_batch(struct work *work, struct job *job)
{
    struct outcome *outcome = calloc(1, sizeof *outcome);
    if (outcome == NULL)
        abort(); /* without these few bytes no promise could be kept, nor broken politely */
    struct err err = { 0 };
    int64_t start = clock_mono_ms();
    int status = store_begin(work->writer, &err);
    bool began = status == 0;
    note_lock(work, status == -ERR_UNAVAILABLE);
    do {
        append(&outcome->first, &outcome->last, job);
        job->status = 0;
        if (began)
            run_job(work, job);
    } while ((!began || has_room(work, start)) && (job = take_job(work, 0)) != NULL);
    if (began)
        status = commit(work, outcome, &err);
    if (status != 0) {
        store_rollback(work->writer);
        if (outcome->batch != NULL)
            work->hooks.discard(outcome->batch, work->hooks.arg);
        outcome->batch = NULL;
        fail_all(outcome->first, status, &err);
    }
    if (is_fatal(work, status) && err.code == 0)
        err_set(&err, ERR_STORAGE, "the database or its disk has failed");
    give_back(work, outcome, status == 0, is_fatal(work, status) ? &err : NULL);
}

static void set_busy(struct work *work, int64_t since_ms)
{
    pthread_mutex_lock(&work->lock);
    work->busy_since_ms = since_ms;
    pthread_mutex_unlock(&work->lock);
}

/* Leaves word for the loop when it is held or let go; says whether the writer goes on. */
static bool tell_wal(struct work *work, const struct wal *wal)
{
    pthread_mutex_lock(&work->lock);
    bool news = wal->held != work->wal.held, goes_on = work->first != NULL || !work->stopping;
    work->wal = *wal;
    work->wal_news |= news;
    pthread_mutex_unlock(&work->lock);
    if (news)
        uv_async_send(&work->wake);
    return goes_on;
}

static void *writer_main(void *arg)
{
    struct work *work = arg;
    struct wal wal;
    wal_begin(&wal, work->writer);
    do {
        struct job *job = take_job(work, wal.bytes > 0 ? LOOK_MS : FOREVER);
        if (job != NULL) {
            set_busy(work, clock_mono_ms());
            run_batch(work, job);
            set_busy(work, 0);
            wal_committed(&wal, work->writer);
        } else {
            wal_rest(&wal, work->writer);
        }
    } while (tell_wal(work, &wal));
    store_checkpoint(work->writer, true, NULL);
    pthread_mutex_lock(&work->lock);
    work->stopped = true;
    pthread_mutex_unlock(&work->lock);
    uv_async_send(&work->wake);
    return NULL;
}

/* back on the loop */

static void work_free(uv_handle_t *handle)
{
    struct work *work = handle->data;
    void (*closed)(void *) = work->closed;
    void *arg = work->closed_arg;
    for (size_t i = 0; i < work->readers_n; i++)
        store_close(work->readers[i]);
    store_close(work->writer);
    pthread_mutex_destroy(&work->lock);
    pthread_cond_destroy(&work->arrived);
    free(work->path);
    free(work);
    if (closed != NULL)
        closed(arg);
}

void work_maybe_closed(struct work *work)
{
    pthread_mutex_lock(&work->lock);
    bool over = work->stopped && work->outcomes == NULL;
    pthread_mutex_unlock(&work->lock);
    if (!over || work->reading > 0 || work->timers > 0 || uv_is_closing((uv_handle_t *)&work->wake))
        return;
    pthread_join(work->thread, NULL);
    uv_close((uv_handle_t *)&work->wake, work_free);
}

/* A commit's events, then its jobs' ends. False when the turn's time is over before they are. */
static bool end_jobs(struct work *work, struct outcome *outcome, uint64_t until_ns, bool *full)
{
    struct watch_mark mark = watch_enter("publish", "");
    if (outcome->batch != NULL)
        work->hooks.publish(outcome->batch, work->hooks.arg);
    outcome->batch = NULL;
    watch_leave(mark);
    while (outcome->first != NULL) {
        struct job *job = outcome->first;
        outcome->first = job->next;
        pthread_mutex_lock(&work->lock);
        work->waiting--;
        pthread_mutex_unlock(&work->lock);
        *full |= job->status == -ERR_DISK_FULL;
        mark = watch_enter("end of a write", "");
        job->done(job);
        watch_leave(mark);
        if (uv_hrtime() > until_ns)
            break;
    }
    return outcome->first == NULL;
}

/* What the turn had no time for comes first in the next. */
static void put_back(struct work *work, struct outcome *outcome)
{
    struct outcome *last = outcome;
    while (last->next != NULL)
        last = last->next;
    pthread_mutex_lock(&work->lock);
    last->next = work->outcomes;
    if (work->outcomes == NULL)
        work->outcomes_end = &last->next;
    work->outcomes = outcome;
    pthread_mutex_unlock(&work->lock);
    uv_async_send(&work->wake);
}

static void on_wake(uv_async_t *handle)
{
    struct work *work = handle->data;
    const uint64_t until_ns = uv_hrtime() + ENDS_US * 1000ULL;
    pthread_mutex_lock(&work->lock);
    struct outcome *outcome = work->outcomes;
    work->outcomes = NULL;
    work->outcomes_end = &work->outcomes;
    struct err fatal = work->fatal;
    const struct wal wal = work->wal;
    bool full = false, news = work->wal_news;
    work->wal_news = false;
    pthread_mutex_unlock(&work->lock);
    while (outcome != NULL && end_jobs(work, outcome, until_ns, &full)) {
        struct outcome *next = outcome->next;
        free(outcome);
        outcome = next;
        if (uv_hrtime() > until_ns)
            break;
    }
    if (outcome != NULL)
        put_back(work, outcome);
    if (full && work->hooks.full != NULL)
        work->hooks.full(work->hooks.arg);
    if (news && work->hooks.wal != NULL)
        work->hooks.wal(&wal, work->hooks.arg);
    if (fatal.code != 0 && !work->fatal_told) {
        work->fatal_told = true;
        work->hooks.fatal(&fatal, work->hooks.arg);
    }
    work_maybe_closed(work);
}

int work_new(uv_loop_t *loop, const char *path, const struct work_hooks *hooks, struct work **ret,
             struct err *err)
{
    struct work *work = calloc(1, sizeof *work);
    if (work == NULL || (work->path = strdup(path)) == NULL) {
        free(work);
        return err_no_memory(err, "the writer");
    }
    work->loop = loop;
    work->hooks = *hooks;
    work->outcomes_end = &work->outcomes;
    pthread_mutex_init(&work->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&work->arrived, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int status = store_open(path, STORE_WRITER, &work->writer, err);
    if (status != 0)
        goto fail;
    work->wake.data = work;
    uv_async_init(loop, &work->wake, on_wake);
    int code = pthread_create(&work->thread, NULL, writer_main, work);
    if (code != 0) {
        uv_close((uv_handle_t *)&work->wake, work_free);
        errno = code;
        return err_errno(err, ERR_INTERNAL, "can't start the writer thread");
    }
    *ret = work;
    return 0;
fail:
    store_close(work->writer);
    free(work->path);
    free(work);
    return status;
}

void work_write(struct work *work, struct job *job)
{
    job->work = work;
    job->next = NULL;
    pthread_mutex_lock(&work->lock);
    bool refused = work->stopping || work->waiting >= QUEUE_MAX;
    if (!refused) {
        work->waiting++;
        append(&work->first, &work->last, job);
        pthread_cond_signal(&work->arrived);
    }
    pthread_mutex_unlock(&work->lock);
    if (refused) {
        job->status =
            err_set(&job->err, ERR_UNAVAILABLE,
                    work->stopping ? "the daemon is stopping" : "too many writes are waiting");
        job->done(job);
    }
}

uv_loop_t *work_loop(const struct work *work)
{
    return work->loop;
}

size_t work_backlog(const struct work *work)
{
    struct work *mutable = (struct work *)work;
    pthread_mutex_lock(&mutable->lock);
    size_t waiting = work->waiting;
    pthread_mutex_unlock(&mutable->lock);
    return waiting;
}

int64_t work_commits(const struct work *work)
{
    struct work *mutable = (struct work *)work;
    pthread_mutex_lock(&mutable->lock);
    int64_t commits = work->commits;
    pthread_mutex_unlock(&mutable->lock);
    return commits;
}

int64_t work_busy_ms(const struct work *work)
{
    struct work *mutable = (struct work *)work;
    pthread_mutex_lock(&mutable->lock);
    int64_t since = work->busy_since_ms;
    pthread_mutex_unlock(&mutable->lock);
    return since > 0 ? clock_mono_ms() - since : 0;
}

bool work_locked(const struct work *work)
{
    struct work *mutable = (struct work *)work;
    pthread_mutex_lock(&mutable->lock);
    int64_t at = work->locked_at_ms;
    pthread_mutex_unlock(&mutable->lock);
    return at > 0 && clock_mono_ms() - at < LOCKED_MS;
}

void work_close(struct work *work, void (*closed)(void *arg), void *arg)
{
    work->closed = closed;
    work->closed_arg = arg;
    work_end_delays(work);
    pthread_mutex_lock(&work->lock);
    work->stopping = true;
    pthread_cond_signal(&work->arrived);
    pthread_mutex_unlock(&work->lock);
}
