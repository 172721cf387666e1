/* A run's way through here, all on the loop thread but for the parts named:
 *
 *   look (writer: choose and claim) → prepare (pool: folder, launch.json) → spawn → … → the keeper
 * has gone → settle (writer)
 *
 * A run that was running when the daemon started is adopted: its keeper isn't our child, so its
 * lock is watched instead of its exit. Either way the files decide, not the process table.
 */
#include "server/runs/supervisor.h"

#include "common/log.h"
#include "server/datadir.h"
#include "server/runs/attempt.h"
#include "server/runs/ingest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_MAX = 64,         /* runs claimed at a time */
    WATCH_MS = 1000,       /* between looks at the locks of adopted runs */
    STOP_GRACE_MS = 10000, /* from being asked to stop to being killed */
    ADOPTED_PAGE = 1000
};

struct active {
    struct supervisor *supervisor;
    struct active *next;
    int64_t run, attempt, experiment, memory_bytes, pid;
    bool exclusive, adopted, stopping, settling, handle_open;
    struct claim claim; /* until it is prepared */
    char dir[PATH_MAX], fallback[160];
    uv_process_t process;
    uv_work_t pool;
    struct err err;
    struct job job, pid_job;
    uint64_t stop_at; /* loop time when it was asked to stop */
    size_t busy;      /* jobs and handles that still refer to it */
    bool gone;
};

struct supervisor {
    uv_loop_t *loop;
    struct supervisor_config config;
    char worker_path[PATH_MAX];
    struct queue_limits limits;
    struct work *work;
    struct ingest *ingest;
    struct active *actives;
    uv_timer_t watch;
    bool looking, look_again, closing, timer_closed;
    void (*closed)(void *);
    void *closed_arg;

    struct job look_job;
    struct queue_load load; /* as of the look */
    int64_t held[LOOK_MAX * 4];
    size_t held_n; /* runs whose last attempt isn't settled */
    struct claim claims[LOOK_MAX];
    bool exclusive[LOOK_MAX];
    size_t claims_n;

    struct job adopt_job;
    struct run_list adopted;
};

static void maybe_closed(struct supervisor *s)
{
    if (!s->closing || s->looking || !s->timer_closed || s->actives != NULL || s->closed == NULL)
        return;
    void (*closed)(void *) = s->closed;
    void *arg = s->closed_arg;
    free(s);
    closed(arg);
}

static void release(struct active *a)
{
    struct supervisor *s = a->supervisor;
    if (a->busy > 0 || !a->gone)
        return;
    for (struct active **at = &s->actives; *at != NULL; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            break;
        }
    free(a->claim.spec);
    free(a);
    supervisor_kick(s);
    maybe_closed(s);
}

/* The end of an attempt. */

static int settle_run(struct job *job, struct store *store, struct err *err)
{
    struct active *a = job->data;
    return attempt_settle(store, a->dir, a->run, a->attempt, a->fallback, err);
}

static void settle_done(struct job *job)
{
    struct active *a = job->data;
    a->busy--;
    a->settling = false;
    if (job->status != 0) {
        /* The watch tries again: nothing is lost while the files are there. */
        log_error("run %lld attempt %lld can't be settled yet: %s", (long long)a->run,
                  (long long)a->attempt, job->err.message);
        a->adopted = true;
        if (!a->supervisor->closing)
            return;
    }
    a->gone = true;
    release(a);
}

static void settle(struct active *a)
{
    if (a->settling)
        return;
    a->settling = true;
    a->busy++;
    a->job = (struct job){ .run = settle_run, .done = settle_done, .data = a };
    work_write(a->supervisor->work, &a->job);
}

/* Starting a keeper. */

static void on_process_closed(uv_handle_t *handle)
{
    struct active *a = handle->data;
    a->handle_open = false;
    a->busy--;
    release(a);
}

static void on_keeper_exit(uv_process_t *process, int64_t status, int signal)
{
    struct active *a = process->data;
    if (signal != 0)
        snprintf(a->fallback, sizeof a->fallback, "the keeper was killed by signal %d", signal);
    else
        snprintf(a->fallback, sizeof a->fallback, "the keeper ended with status %lld",
                 (long long)status);
    uv_close((uv_handle_t *)process, on_process_closed);
    /* A killed keeper takes its trainer along, but not at once: the lock says when. */
    if (attempt_alive(a->dir))
        a->adopted = true;
    else
        settle(a);
}

static int pid_run(struct job *job, struct store *store, struct err *err)
{
    struct active *a = job->data;
    return store_attempt_pid(store, a->run, a->attempt, a->pid, err);
}

static void pid_done(struct job *job)
{
    struct active *a = job->data;
    a->busy--;
    release(a);
}

static int spawn(struct active *a)
{
    struct supervisor *s = a->supervisor;
    char *arguments[] = { s->worker_path, (char *)"run", (char *)"--dir", a->dir, NULL };
    uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
                                      { .flags = UV_IGNORE },
                                      { .flags = UV_IGNORE } };
    const uv_process_options_t options = {
        .file = s->worker_path,
        .args = arguments,
        .exit_cb = on_keeper_exit,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = stdio,
    };
    a->process.data = a;
    int code = uv_spawn(s->loop, &a->process, &options);
    a->handle_open = true;
    a->busy++;
    if (code != 0) {
        uv_close((uv_handle_t *)&a->process, on_process_closed);
        return err_set(&a->err, ERR_STORAGE, "%s can't be started: %s", s->worker_path,
                       uv_strerror(code));
    }
    uv_unref((uv_handle_t *)&a->process);
    a->pid = a->process.pid;
    a->busy++;
    a->pid_job = (struct job){ .run = pid_run, .done = pid_done, .data = a };
    work_write(s->work, &a->pid_job);
    return 0;
}

static void prepare(uv_work_t *work)
{
    struct active *a = work->data;
    attempt_prepare(a->supervisor->config.datadir, &a->claim, a->supervisor->config.threads_per_run,
                    &a->err);
}

static void prepared(uv_work_t *work, int status)
{
    (void)status;
    struct active *a = work->data;
    a->busy--;
    if (a->err.code == 0 && spawn(a) == 0) {
        log_info("run %lld attempt %lld started, pid %lld", (long long)a->run,
                 (long long)a->attempt, (long long)a->pid);
        return;
    }
    log_error("run %lld attempt %lld can't be started: %s", (long long)a->run,
              (long long)a->attempt, a->err.message);
    snprintf(a->fallback, sizeof a->fallback, "it couldn't be started: %.130s", a->err.message);
    settle(a);
}

static struct active *add_active(struct supervisor *s, int64_t run, int64_t attempt)
{
    struct active *a = calloc(1, sizeof *a);
    if (a == NULL)
        abort(); /* a claimed run would be forgotten */
    a->supervisor = s;
    a->run = run;
    a->attempt = attempt;
    snprintf(a->fallback, sizeof a->fallback, "the worker vanished without a word");
    attempt_dir(s->config.datadir, run, attempt, a->dir);
    a->next = s->actives;
    s->actives = a;
    return a;
}

/* Looking for runs to claim. */

static bool is_held(const struct supervisor *s, int64_t run)
{
    for (size_t i = 0; i < s->held_n; i++)
        if (s->held[i] == run)
            return true;
    return false;
}

static int look_run(struct job *job, struct store *store, struct err *err)
{
    struct supervisor *s = job->data;
    struct queue_counts counts;
    struct queued_run *head = NULL;
    struct queue_limits limits = s->limits;
    size_t n = 0, kept = 0, chosen[LOOK_MAX];
    s->claims_n = 0;
    int status = store_queue_counts(store, &counts, err);
    if (status != 0 || counts.paused || counts.queued == 0)
        return status;
    status = store_queue_head(store, LOOK_MAX, &head, &n, err);
    if (status != 0)
        return status;
    for (size_t i = 0; i < n; i++)
        if (!is_held(s, head[i].id))
            head[kept++] = head[i];
    size_t take = queue_choose(&limits, &s->load, head, kept, chosen);
    for (size_t i = 0; i < take && status == 0; i++) {
        char token[65];
        datadir_random_hex(32, token);
        s->exclusive[s->claims_n] = head[chosen[i]].exclusive;
        status = store_run_claim(store, head[chosen[i]].id, token, &s->claims[s->claims_n], err);
        if (status == 0)
            s->claims_n++;
        else if (status == -ERR_NOT_FOUND)
            status = 0;
    }
    free(head);
    return status;
}

static void look_done(struct job *job)
{
    struct supervisor *s = job->data;
    s->looking = false;
    if (job->status != 0) {
        log_error("no runs can be claimed: %s", job->err.message);
        for (size_t i = 0; i < s->claims_n; i++)
            free(s->claims[i].spec);
        s->claims_n = 0;
    }
    for (size_t i = 0; i < s->claims_n; i++) {
        struct active *a = add_active(s, s->claims[i].run, s->claims[i].attempt);
        a->claim = s->claims[i];
        a->experiment = s->claims[i].experiment;
        a->memory_bytes = s->claims[i].memory_bytes;
        a->exclusive = s->exclusive[i];
        a->pool.data = a;
        a->busy++;
        uv_queue_work(s->loop, &a->pool, prepare, prepared);
    }
    bool again = s->look_again;
    s->look_again = false;
    if (again)
        supervisor_kick(s);
    maybe_closed(s);
}

void supervisor_kick(struct supervisor *s)
{
    if (s->closing)
        return;
    if (s->looking) {
        s->look_again = true;
        return;
    }
    s->load = (struct queue_load){ 0 };
    s->held_n = 0;
    for (const struct active *a = s->actives; a != NULL; a = a->next) {
        s->load.running++;
        s->load.memory_bytes += a->memory_bytes;
        s->load.exclusive |= a->exclusive;
        if (s->held_n < sizeof s->held / sizeof *s->held)
            s->held[s->held_n++] = a->run;
    }
    if (s->load.running >= s->limits.slots)
        return;
    s->looking = true;
    s->look_job = (struct job){ .run = look_run, .done = look_done, .data = s };
    work_write(s->work, &s->look_job);
}

/* Watching: adopted runs' locks, and those that were asked to stop. */

static void watch_one(struct active *a)
{
    struct supervisor *s = a->supervisor;
    if (a->adopted && !a->settling && !a->gone && !attempt_alive(a->dir))
        settle(a);
    if (a->stopping && a->pid > 0 && uv_now(s->loop) > a->stop_at + STOP_GRACE_MS &&
        attempt_alive(a->dir)) {
        log_warn("run %lld attempt %lld doesn't stop: killed", (long long)a->run,
                 (long long)a->attempt);
        kill((pid_t)-a->pid, SIGKILL); /* the keeper leads a process group of its own */
        a->stop_at = uv_now(s->loop);
    }
}

static void on_watch(uv_timer_t *timer)
{
    struct supervisor *s = timer->data;
    for (struct active *a = s->actives, *next; a != NULL; a = next) {
        next = a->next;
        watch_one(a);
    }
    supervisor_kick(s);
}

static int adopt_run(struct job *job, struct store *store, struct err *err)
{
    struct supervisor *s = job->data;
    const struct run_query query = {
        .filter = "state = running", .order_by = "", .page_token = "", .page_size = ADOPTED_PAGE
    };
    return store_run_list(store, &query, &s->adopted, err);
}

static void adopt_done(struct job *job)
{
    struct supervisor *s = job->data;
    s->looking = false;
    if (job->status != 0)
        log_error("the running runs can't be read: %s", job->err.message);
    for (size_t i = 0; job->status == 0 && i < s->adopted.n; i++) {
        const struct run_row *row = &s->adopted.items[i];
        struct active *a = add_active(s, row->id, row->attempt);
        a->experiment = row->experiment;
        a->memory_bytes = row->memory_bytes;
        a->exclusive = row->exclusive;
        a->adopted = true;
        log_info("run %lld attempt %lld was running: %s", (long long)a->run, (long long)a->attempt,
                 attempt_alive(a->dir) ? "it still is" : "it has ended");
    }
    if (job->status == 0)
        run_list_done(&s->adopted);
    if (s->closing)
        maybe_closed(s);
    else
        uv_timer_start(&s->watch, on_watch, 0, WATCH_MS);
}

/* The rest. */

int supervisor_new(uv_loop_t *loop, const struct supervisor_config *config, struct work *work,
                   struct supervisor **ret, struct err *err)
{
    struct supervisor *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the supervisor");
    if (access(config->worker_path, X_OK) != 0) {
        free(s);
        return err_errno(err, ERR_USAGE, "the worker program %s can't be run (--worker)",
                         config->worker_path);
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    s->loop = loop;
    s->config = *config;
    snprintf(s->worker_path, sizeof s->worker_path, "%s", config->worker_path);
    if (s->config.threads_per_run < 1)
        s->config.threads_per_run = cores / config->slots > 1 ? cores / config->slots : 1;
    s->limits = (struct queue_limits){ config->slots, config->memory_bytes, false };
    s->work = work;
    uv_timer_init(loop, &s->watch);
    s->watch.data = s;
    s->looking = true; /* nothing is claimed before what runs is known */
    s->adopt_job = (struct job){ .run = adopt_run, .done = adopt_done, .data = s };
    work_read(work, &s->adopt_job);
    *ret = s;
    return 0;
}

void supervisor_attach(struct supervisor *supervisor, struct ingest *ingest)
{
    supervisor->ingest = ingest;
}

static void stop_active(struct active *a, const char *reason)
{
    struct supervisor *s = a->supervisor;
    if (!a->stopping)
        a->stop_at = uv_now(s->loop);
    a->stopping = true;
    bool told = s->ingest != NULL && ingest_stop(s->ingest, a->run, reason);
    if (!told && a->pid > 0)
        kill((pid_t)a->pid, SIGTERM);
}

void supervisor_stop_run(struct supervisor *supervisor, int64_t run)
{
    for (struct active *a = supervisor->actives; a != NULL; a = a->next)
        if (a->run == run)
            stop_active(a, "cancelled");
}

void supervisor_stop_experiment(struct supervisor *supervisor, int64_t experiment)
{
    for (struct active *a = supervisor->actives; a != NULL; a = a->next)
        if (a->experiment == experiment)
            stop_active(a, "cancelled");
}

const struct queue_limits *supervisor_limits(const struct supervisor *supervisor)
{
    return &supervisor->limits;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct supervisor *s = handle->data;
    /* What nobody works on is let go: its keeper lives on, and the next daemon adopts it. */
    for (struct active *a = s->actives, *next; a != NULL; a = next) {
        next = a->next;
        a->gone = true;
        if (a->handle_open && !uv_is_closing((uv_handle_t *)&a->process))
            uv_close((uv_handle_t *)&a->process, on_process_closed);
        release(a);
    }
    s->timer_closed = true;
    maybe_closed(s);
}

void supervisor_close(struct supervisor *supervisor, bool stop_workers, void (*closed)(void *),
                      void *arg)
{
    struct supervisor *s = supervisor;
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    for (struct active *a = s->actives; stop_workers && a != NULL; a = a->next)
        stop_active(a, "the daemon ends");
    uv_close((uv_handle_t *)&s->watch, on_watch_closed);
}
