/* Each attempt that was claimed is a struct keeper until it is settled:
 *
 *   claimed (writer) → folder made (pool) → spawned → its process ends → settled (writer) → freed
 *
 * An attempt is over when its lock is free, not when a process has ended: keeper and trainer share
 * the lock, and the trainer may outlive the keeper by a moment. So settling asks the lock first, on
 * the writer thread, and comes again a second later while it is held. That is also all there is to
 * finding one's workers again: at the daemon's start every run in state running becomes a keeper
 * that is about to be settled. Those whose worker lives find the lock held, and are watched.
 *
 * Claims are made in one job of the writer at a time, from the load at its beginning: meanwhile
 * runs can only end, so that a choice can be too small for a moment but never too large. A run
 * whose former attempt is still awaited is not claimed.
 *
 * The timer ticks only while there is something to watch.
 */
#include "server/runs/supervisor.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/datadir.h"
#include "server/runs/attempt.h"
#include "server/runs/ingest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 1000, GRACE_MS = 10000, HOLD_MS = 1000, HOLD_MAX_MS = 30000, SLOTS_MAX = 1024 };

struct keeper {
    struct supervisor *supervisor;
    struct keeper *next;
    int64_t run, attempt, experiment, memory_bytes, pid; /* pid 0 = unknown */
    bool exclusive;
    bool over;     /* there is no process of ours to wait for: the lock tells */
    bool settling; /* a job is under way */
    bool spawned;  /* process is an open handle */
    bool ended;    /* … whose process has ended */
    int64_t kill_at_ms;
    struct attempt_end end;
    uv_process_t process;
    struct job job;
    bool alive, more; /* what settling found */

    struct claim claim; /* until it is spawned */
    uv_work_t prepare;
    int log;
    int status;
    struct err err;
};

struct supervisor {
    uv_loop_t *loop;
    struct supervisor_config config;
    struct work *work;
    struct ingest *ingest;
    struct queue_limits limits;
    struct keeper *keepers;
    uv_timer_t timer;
    int64_t hold_until_ms, hold_ms; /* nothing is started before */
    bool adopted, closing, stop_workers;
    void (*closed)(void *);
    void *closed_arg;

    /* The claim under way; the writer's while `claiming`. */
    struct job job;
    bool claiming, again;
    bool paused;
    struct queue_load load;
    int64_t *busy; /* runs whose keeper is awaited */
    size_t busy_n;
    struct keeper *claimed;
    struct running_run *found; /* at the start */
    size_t found_n;
};

static void settle(struct keeper *keeper);
static void adopt_now(struct supervisor *supervisor);

/* the timer */

static bool needs_ticks(const struct supervisor *supervisor)
{
    if (supervisor->hold_until_ms > 0 && !supervisor->closing)
        return true;
    for (const struct keeper *k = supervisor->keepers; k != NULL; k = k->next)
        if (k->over || k->end.stop != STOP_NONE)
            return true;
    return false;
}

static void on_tick(uv_timer_t *timer);

static void set_timer(struct supervisor *supervisor)
{
    if (uv_is_closing((uv_handle_t *)&supervisor->timer))
        return;
    if (!needs_ticks(supervisor))
        uv_timer_stop(&supervisor->timer);
    else if (!uv_is_active((uv_handle_t *)&supervisor->timer))
        uv_timer_start(&supervisor->timer, on_tick, TICK_MS, TICK_MS);
}

static void ask_to_stop(struct keeper *keeper)
{
    struct supervisor *supervisor = keeper->supervisor;
    if (supervisor->ingest != NULL)
        ingest_stop(supervisor->ingest, keeper->run,
                    keeper->end.stop == STOP_CANCEL ? "cancelled" : "the daemon is ending");
    if (clock_mono_ms() < keeper->kill_at_ms || keeper->pid == 0)
        return;
    log_warn("run %lld attempt %lld has not stopped in %d s and is killed", (long long)keeper->run,
             (long long)keeper->attempt, GRACE_MS / 1000);
    attempt_kill(supervisor->config.datadir, keeper->run, keeper->attempt, (pid_t)keeper->pid);
}

static void on_tick(uv_timer_t *timer)
{
    struct supervisor *supervisor = timer->data;
    for (struct keeper *k = supervisor->keepers, *next; k != NULL; k = next) {
        next = k->next;
        if (k->end.stop != STOP_NONE)
            ask_to_stop(k);
        if (k->over)
            settle(k);
    }
    if (supervisor->hold_until_ms > 0 && clock_mono_ms() >= supervisor->hold_until_ms) {
        supervisor->hold_until_ms = 0;
        supervisor_kick(supervisor);
    }
    set_timer(supervisor);
}

/* Something is wrong with this machine rather than with one run: wait before the next start. */
static void hold(struct supervisor *supervisor)
{
    int64_t twice = 2 * supervisor->hold_ms;
    supervisor->hold_ms = supervisor->hold_ms == 0 ? HOLD_MS
                          : twice < HOLD_MAX_MS    ? twice
                                                   : HOLD_MAX_MS;
    supervisor->hold_until_ms = clock_mono_ms() + supervisor->hold_ms;
}

/* keepers */

static struct keeper *keeper_new(struct supervisor *supervisor)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return NULL;
    keeper->supervisor = supervisor;
    keeper->log = -1;
    return keeper;
}

static void keeper_add(struct keeper *keeper)
{
    keeper->next = keeper->supervisor->keepers;
    keeper->supervisor->keepers = keeper;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct supervisor *supervisor = handle->data;
    void (*closed)(void *) = supervisor->closed;
    void *arg = supervisor->closed_arg;
    free(supervisor);
    if (closed != NULL)
        closed(arg);
}

static void maybe_closed(struct supervisor *supervisor)
{
    if (supervisor->closing && supervisor->keepers == NULL && !supervisor->claiming &&
        !uv_is_closing((uv_handle_t *)&supervisor->timer))
        uv_close((uv_handle_t *)&supervisor->timer, on_timer_closed);
}

static void keeper_free(struct keeper *keeper)
{
    struct supervisor *supervisor = keeper->supervisor;
    for (struct keeper **at = &supervisor->keepers; *at != NULL; at = &(*at)->next)
        if (*at == keeper) {
            *at = keeper->next;
            break;
        }
    free(keeper->claim.spec);
    free(keeper);
    maybe_closed(supervisor);
}

static void keeper_stop(struct keeper *keeper, enum attempt_stop why)
{
    if (keeper->end.stop == STOP_NONE)
        keeper->kill_at_ms = clock_mono_ms() + GRACE_MS;
    if (keeper->end.stop != STOP_CANCEL)
        keeper->end.stop = why;
    ask_to_stop(keeper);
    set_timer(keeper->supervisor);
}

/* settling */

static int settle_run(struct job *job, struct store *store, struct err *err)
{
    struct keeper *keeper = job->data;
    return attempt_settle(store, keeper->supervisor->config.datadir, keeper->run, keeper->attempt,
                          &keeper->end, &keeper->alive, &keeper->more, err);
}

static void settle_done(struct job *job)
{
    struct keeper *keeper = job->data;
    struct supervisor *supervisor = keeper->supervisor;
    keeper->settling = false;
    if (job->status == 0 && keeper->more) {
        settle(keeper);
        return;
    }
    if (job->status != 0)
        log_error("run %lld attempt %lld can't be settled: %s", (long long)keeper->run,
                  (long long)keeper->attempt, job->err.message);
    bool watched = job->status == 0 ? keeper->alive : job->status != -ERR_NOT_FOUND;
    if (watched && !(supervisor->closing && !supervisor->stop_workers)) {
        set_timer(supervisor); /* the next tick asks again */
        return;
    }
    keeper_free(keeper);
    supervisor_kick(supervisor);
}

static void settle(struct keeper *keeper)
{
    if (keeper->settling)
        return;
    keeper->over = keeper->settling = true;
    keeper->job = (struct job){ .run = settle_run, .done = settle_done, .data = keeper };
    work_write(keeper->supervisor->work, &keeper->job);
}

/* starting */

static void on_process_closed(uv_handle_t *handle)
{
    struct keeper *keeper = handle->data;
    keeper->spawned = false;
    bool ended = keeper->ended || keeper->end.failure[0] != '\0';
    if (ended)
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

static void not_started(struct keeper *keeper, const char *why, bool transient)
{
    log_error("run %lld attempt %lld could not be started: %s", (long long)keeper->run,
              (long long)keeper->attempt, why);
    snprintf(keeper->end.failure, sizeof keeper->end.failure, "%s", why);
    keeper->end.transient = transient;
    hold(keeper->supervisor);
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
    *note = (struct pid_note){ .run = keeper->run, .attempt = keeper->attempt, .pid = keeper->pid };
    note->job = (struct job){ .run = note_run, .done = note_done, .data = note };
    work_write(keeper->supervisor->work, &note->job);
}

static void spawn(struct keeper *keeper)
{
    struct supervisor *supervisor = keeper->supervisor;
    char dir[PATH_MAX];
    attempt_path(supervisor->config.datadir, keeper->run, keeper->attempt, dir);
    char *args[] = { (char *)(uintptr_t)supervisor->config.worker_path, "run", "--dir", dir, NULL };
    uv_stdio_container_t stdio[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = keeper->log },
        { .flags = UV_INHERIT_FD, .data.fd = keeper->log },
    };
    const uv_process_options_t options = {
        .exit_cb = on_ended,
        .file = args[0],
        .args = args,
        .cwd = supervisor->config.datadir->path,
        .flags = UV_PROCESS_DETACHED, /* a session of its own */
        .stdio = stdio,
        .stdio_count = 3,
    };
    keeper->process.data = keeper;
    keeper->spawned = true;
    int code = uv_spawn(supervisor->loop, &keeper->process, &options);
    close(keeper->log);
    keeper->log = -1;
    if (code != 0) {
        char why[256];
        snprintf(why, sizeof why, "%s: %s", args[0], uv_strerror(code));
        not_started(keeper, why, is_transient(code));
        uv_close((uv_handle_t *)&keeper->process, on_process_closed);
        return;
    }
    supervisor->hold_ms = 0;
    keeper->pid = keeper->process.pid;
    note_pid(keeper);
    log_info("run %lld attempt %lld started, pid %lld", (long long)keeper->run,
             (long long)keeper->attempt, (long long)keeper->pid);
}

static void prepare_on_pool(uv_work_t *request)
{
    struct keeper *keeper = request->data;
    const struct supervisor_config *config = &keeper->supervisor->config;
    int64_t threads = keeper->exclusive ? uv_available_parallelism() : config->threads_per_run;
    keeper->status =
        attempt_prepare(config->datadir, &keeper->claim, threads, &keeper->log, &keeper->err);
}

static void prepared(uv_work_t *request, int uv_status)
{
    struct keeper *keeper = request->data;
    (void)uv_status; /* never cancelled */
    if (keeper->supervisor->closing && keeper->end.stop == STOP_NONE)
        keeper->end.stop = STOP_SHUTDOWN;
    if (keeper->status != 0)
        not_started(keeper, keeper->err.message, keeper->status == -ERR_DISK_FULL);
    if (keeper->status == 0 && keeper->end.stop == STOP_NONE)
        spawn(keeper);
    else
        settle(keeper);
    if (keeper->log >= 0)
        close(keeper->log);
    keeper->log = -1;
    set_timer(keeper->supervisor);
}

static void start(struct keeper *keeper)
{
    keeper_add(keeper);
    if (keeper->supervisor->closing) {
        keeper->end.stop = STOP_SHUTDOWN;
        settle(keeper);
        return;
    }
    keeper->prepare.data = keeper;
    uv_queue_work(keeper->supervisor->loop, &keeper->prepare, prepare_on_pool, prepared);
}

/* claiming */

static bool is_busy(const struct supervisor *supervisor, int64_t run)
{
    for (size_t i = 0; i < supervisor->busy_n; i++)
        if (supervisor->busy[i] == run)
            return true;
    return false;
}

static int claim_one(struct supervisor *supervisor, struct store *store,
                     const struct queued_run *run, struct err *err)
{
    struct keeper *keeper = keeper_new(supervisor);
    char token[65];
    if (keeper == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for a keeper");
    datadir_random_hex(32, token);
    int status = store_run_claim(store, run->id, token, &keeper->claim, err);
    if (status != 0) {
        free(keeper);
        return status;
    }
    keeper->run = run->id;
    keeper->attempt = keeper->claim.attempt;
    keeper->experiment = keeper->claim.experiment;
    keeper->memory_bytes = run->memory_bytes;
    keeper->exclusive = run->exclusive;
    keeper->next = supervisor->claimed;
    supervisor->claimed = keeper;
    return 0;
}

static int claim_run(struct job *job, struct store *store, struct err *err)
{
    struct supervisor *supervisor = job->data;
    struct queue_limits limits = supervisor->limits;
    struct queue_counts counts;
    struct queued_run *head = NULL;
    size_t n = 0, candidates = 0, chosen[SLOTS_MAX];
    int status = store_queue_counts(store, &counts, err);
    if (status == 0)
        status = store_queue_head(store, (size_t)limits.slots + supervisor->busy_n, &head, &n, err);
    if (status != 0)
        return status;
    supervisor->paused = limits.paused = counts.paused;
    for (size_t i = 0; i < n; i++)
        if (!is_busy(supervisor, head[i].id))
            head[candidates++] = head[i];
    n = queue_choose(&limits, &supervisor->load, head, candidates, chosen);
    while (status == 0 && n-- > 0) /* each goes to the front of the list */
        status = claim_one(supervisor, store, &head[chosen[n]], err);
    free(head);
    return status;
}

static void claim_done(struct job *job)
{
    struct supervisor *supervisor = job->data;
    struct keeper *claimed = supervisor->claimed;
    supervisor->claimed = NULL;
    supervisor->claiming = false;
    free(supervisor->busy);
    supervisor->busy = NULL;
    if (job->status == 0) {
        supervisor->limits.paused = supervisor->paused;
    } else {
        log_error("no run could be claimed: %s", job->err.message);
        hold(supervisor);
    }
    for (struct keeper *keeper = claimed, *next; keeper != NULL; keeper = next) {
        next = keeper->next;
        if (job->status == 0) {
            start(keeper);
        } else {
            free(keeper->claim.spec);
            free(keeper);
        }
    }
    set_timer(supervisor);
    if (supervisor->again)
        supervisor_kick(supervisor);
    maybe_closed(supervisor);
}

static void claim_now(struct supervisor *supervisor)
{
    size_t n = 0;
    supervisor->again = false;
    supervisor->load = (struct queue_load){ 0 };
    for (const struct keeper *k = supervisor->keepers; k != NULL; k = k->next, n++) {
        supervisor->load.running++;
        supervisor->load.memory_bytes += k->memory_bytes;
        supervisor->load.exclusive |= k->exclusive;
    }
    if ((supervisor->busy = calloc(n + 1, sizeof(int64_t))) == NULL)
        return; /* a later kick finds room */
    supervisor->busy_n = 0;
    for (const struct keeper *k = supervisor->keepers; k != NULL; k = k->next)
        supervisor->busy[supervisor->busy_n++] = k->run;
    supervisor->claiming = true;
    supervisor->job = (struct job){ .run = claim_run, .done = claim_done, .data = supervisor };
    work_write(supervisor->work, &supervisor->job);
}

void supervisor_kick(struct supervisor *supervisor)
{
    if (supervisor->claiming)
        supervisor->again = true;
    else if (supervisor->closing || supervisor->hold_until_ms > 0)
        return;
    else if (supervisor->adopted)
        claim_now(supervisor);
    else
        adopt_now(supervisor);
}

/* finding one's workers again */

static int adopt_run(struct job *job, struct store *store, struct err *err)
{
    struct supervisor *supervisor = job->data;
    return store_run_running(store, &supervisor->found, &supervisor->found_n, err);
}

static void adopt(struct supervisor *supervisor, const struct running_run *found)
{
    struct keeper *keeper = keeper_new(supervisor);
    if (keeper == NULL)
        return; /* the next start finds it */
    keeper->run = found->run;
    keeper->attempt = found->attempt;
    keeper->experiment = found->experiment;
    keeper->memory_bytes = found->memory_bytes;
    keeper->exclusive = found->exclusive;
    keeper->pid = found->pid;
    keeper_add(keeper);
    if (found->cancel)
        keeper_stop(keeper, STOP_CANCEL);
    settle(keeper);
}

static void adopt_done(struct job *job)
{
    struct supervisor *supervisor = job->data;
    supervisor->claiming = false;
    supervisor->adopted = job->status == 0;
    if (job->status != 0) {
        log_error("the running runs could not be read: %s", job->err.message);
        hold(supervisor);
    }
    for (size_t i = 0; i < supervisor->found_n && !supervisor->closing; i++)
        adopt(supervisor, &supervisor->found[i]);
    free(supervisor->found);
    supervisor->found = NULL;
    supervisor->found_n = 0;
    set_timer(supervisor);
    supervisor_kick(supervisor);
    maybe_closed(supervisor);
}

static void adopt_now(struct supervisor *supervisor)
{
    supervisor->claiming = true; /* nothing is claimed until it is known what runs */
    supervisor->job = (struct job){ .run = adopt_run, .done = adopt_done, .data = supervisor };
    work_write(supervisor->work, &supervisor->job);
}

/* the supervisor */

int supervisor_new(uv_loop_t *loop, const struct supervisor_config *config, struct work *work,
                   struct supervisor **ret, struct err *err)
{
    if (access(config->worker_path, X_OK) != 0)
        return err_errno(err, ERR_USAGE, "the worker program %s can't be run", config->worker_path);
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the supervisor");
    supervisor->loop = loop;
    supervisor->config = *config;
    supervisor->work = work;
    struct supervisor_config *own = &supervisor->config;
    int64_t cores = uv_available_parallelism();
    own->slots = own->slots <= 0 ? cores : own->slots > SLOTS_MAX ? SLOTS_MAX : own->slots;
    if (own->threads_per_run <= 0)
        own->threads_per_run = cores / own->slots > 0 ? cores / own->slots : 1;
    supervisor->limits =
        (struct queue_limits){ .slots = own->slots, .memory_bytes = own->memory_bytes };
    uv_timer_init(loop, &supervisor->timer);
    supervisor->timer.data = supervisor;
    adopt_now(supervisor);
    *ret = supervisor;
    return 0;
}

void supervisor_attach(struct supervisor *supervisor, struct ingest *ingest)
{
    supervisor->ingest = ingest;
}

void supervisor_stop_run(struct supervisor *supervisor, int64_t run)
{
    for (struct keeper *k = supervisor->keepers; k != NULL; k = k->next)
        if (k->run == run)
            keeper_stop(k, STOP_CANCEL);
}

void supervisor_stop_experiment(struct supervisor *supervisor, int64_t experiment)
{
    for (struct keeper *k = supervisor->keepers; k != NULL; k = k->next)
        if (k->experiment == experiment)
            keeper_stop(k, STOP_CANCEL);
}

const struct queue_limits *supervisor_limits(const struct supervisor *supervisor)
{
    return &supervisor->limits;
}

void supervisor_close(struct supervisor *supervisor, bool stop_workers, void (*closed)(void *),
                      void *arg)
{
    supervisor->closing = true;
    supervisor->stop_workers = stop_workers;
    supervisor->closed = closed;
    supervisor->closed_arg = arg;
    for (struct keeper *k = supervisor->keepers, *next; k != NULL; k = next) {
        next = k->next;
        if (stop_workers)
            keeper_stop(k, STOP_SHUTDOWN);
        else if (k->spawned && !uv_is_closing((uv_handle_t *)&k->process))
            uv_close((uv_handle_t *)&k->process, on_process_closed);
        else if (k->over && !k->settling)
            keeper_free(k); /* watched only */
    }
    set_timer(supervisor);
    maybe_closed(supervisor);
}
