/* Claims are made in one job of the writer at a time, from the load at its beginning: meanwhile
 * runs can only end, so that a choice can be too small for a moment but never too large. A run
 * whose former attempt is still awaited is not claimed. What was claimed is a child's from there
 * on (child.h); every run that a starting daemon finds in state running becomes one too, and
 * nothing is claimed before they are known.
 *
 * When a worker can't be started, something may be wrong with this machine rather than with one
 * run: nothing is claimed for a second, then for two, up to half a minute. The timer ticks only
 * while there is something to watch or to wait for.
 */
#include "server/runs/supervisor.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/runs/child.h"
#include "server/runs/ingest.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 1000, HOLD_MS = 1000, HOLD_MAX_MS = 30000, SLOTS_MAX = 1024 };

struct supervisor {
    struct children children;
    struct queue_limits limits;
    uv_timer_t timer;
    int64_t hold_until_ms, hold_ms; /* nothing is claimed before */
    int64_t calm_at_ms;             /* trouble from then on is new trouble */
    bool adopted, halted;
    void (*closed)(void *);
    void *closed_arg;

    /* The claim under way; the writer's while `claiming`. */
    struct job job;
    bool claiming, again, paused;
    struct queue_load load;
    int64_t *busy; /* runs whose child is awaited */
    size_t busy_n;
    struct child *claimed;
    struct running_run *found; /* at the start */
    size_t found_n;
};

static struct supervisor *supervisor_of(struct children *children)
{
    return (struct supervisor *)(void *)((char *)children - offsetof(struct supervisor, children));
}

static void adopt_now(struct supervisor *supervisor);

/* the timer */

static void on_tick(uv_timer_t *timer);

static void set_timer(struct supervisor *supervisor)
{
    bool held = supervisor->hold_until_ms > 0 && !supervisor->children.closing;
    if (uv_is_closing((uv_handle_t *)&supervisor->timer))
        return;
    if (!held && !children_need_ticks(&supervisor->children))
        uv_timer_stop(&supervisor->timer);
    else if (!uv_is_active((uv_handle_t *)&supervisor->timer))
        uv_timer_start(&supervisor->timer, on_tick, TICK_MS, TICK_MS);
}

static void on_tick(uv_timer_t *timer)
{
    struct supervisor *supervisor = timer->data;
    struct watch_mark mark = watch_enter("supervise", "");
    children_tick(&supervisor->children);
    watch_leave(mark);
    if (supervisor->hold_until_ms > 0 && clock_mono_ms() >= supervisor->hold_until_ms) {
        supervisor->hold_until_ms = 0;
        supervisor_kick(supervisor);
    }
    set_timer(supervisor);
}

static void hold(struct supervisor *supervisor)
{
    int64_t now = clock_mono_ms(), twice = 2 * supervisor->hold_ms;
    supervisor->hold_ms = now >= supervisor->calm_at_ms ? HOLD_MS
                          : twice < HOLD_MAX_MS         ? twice
                                                        : HOLD_MAX_MS;
    supervisor->hold_until_ms = now + supervisor->hold_ms;
    supervisor->calm_at_ms = supervisor->hold_until_ms + supervisor->hold_ms + TICK_MS;
    set_timer(supervisor);
}

/* what children tell */

static void on_timer_closed(uv_handle_t *handle)
{
    struct supervisor *supervisor = handle->data;
    void (*closed)(void *) = supervisor->closed;
    void *arg = supervisor->closed_arg;
    if (supervisor->children.ingest != NULL)
        ingest_on_welcome(supervisor->children.ingest, NULL, NULL);
    if (closed != NULL)
        closed(arg);
}

void supervisor_free(struct supervisor *supervisor)
{
    free(supervisor);
}

static void maybe_closed(struct supervisor *supervisor)
{
    if (supervisor->children.closing && supervisor->children.first == NULL &&
        !supervisor->claiming && !uv_is_closing((uv_handle_t *)&supervisor->timer))
        uv_close((uv_handle_t *)&supervisor->timer, on_timer_closed);
}

static void on_gone(struct children *children)
{
    struct supervisor *supervisor = supervisor_of(children);
    supervisor_kick(supervisor);
    set_timer(supervisor);
    maybe_closed(supervisor);
}

static void on_trouble(struct children *children)
{
    hold(supervisor_of(children));
}

static void on_restless(struct children *children)
{
    set_timer(supervisor_of(children));
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
    struct child *child = child_new(&supervisor->children);
    const char *key = supervisor->children.datadir->tokens.key;
    if (child == NULL)
        return err_no_memory(err, "a worker");
    int status = run->verify ? store_verify_claim(store, run->id, key, &child->claim, err)
                             : store_run_claim(store, run->id, key, &child->claim, err);
    if (status != 0) {
        child_drop(child);
        return status;
    }
    child->load = (struct child_load){ run->id, run->memory_bytes, run->exclusive };
    child->attempt = child->claim.attempt;
    child->experiment = child->claim.experiment;
    child->next = supervisor->claimed;
    supervisor->claimed = child;
    return 0;
}

static int claim_run(struct job *job, struct store *store, struct err *err)
{
    struct supervisor *supervisor = job->data;
    struct queue_limits limits = supervisor->limits;
    struct queued_run *head = NULL;
    size_t n = 0, candidates = 0, chosen[SLOTS_MAX];
    int status = datadir_check(supervisor->children.datadir, err);
    if (status == 0)
        status = store_queue_paused(store, &limits.paused, err);
    if (status == 0)
        status = store_queue_head(store, (size_t)limits.slots + supervisor->busy_n, &head, &n, err);
    if (status != 0)
        return status;
    supervisor->paused = limits.paused;
    for (size_t i = 0; i < n; i++)
        if (!is_busy(supervisor, head[i].id))
            head[candidates++] = head[i];
    n = queue_choose(&limits, &supervisor->load, head, candidates, chosen);
    while (status == 0 && n-- > 0) /* each goes to the front of the list */
        status = claim_one(supervisor, store, &head[chosen[n]], err);
    free(head);
    return status;
}

static void on_claimed(struct job *job)
{
    struct supervisor *supervisor = job->data;
    struct child *claimed = supervisor->claimed;
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
    for (struct child *child = claimed, *next; child != NULL; child = next) {
        next = child->next;
        if (job->status == 0) {
            child_start(child);
        } else {
            child_drop(child);
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
    for (const struct child *k = supervisor->children.first; k != NULL; k = k->next, n++) {
        supervisor->load.running++;
        supervisor->load.memory_bytes += k->load.memory_bytes;
        supervisor->load.exclusive |= k->load.exclusive;
    }
    if ((supervisor->busy = calloc(n + 1, sizeof(int64_t))) == NULL)
        return; /* a later kick finds room */
    supervisor->busy_n = 0;
    for (const struct child *k = supervisor->children.first; k != NULL; k = k->next)
        supervisor->busy[supervisor->busy_n++] = k->load.run;
    supervisor->claiming = true;
    supervisor->job = (struct job){ .run = claim_run, .done = on_claimed, .data = supervisor };
    work_write(supervisor->children.work, &supervisor->job);
}

void supervisor_kick(struct supervisor *supervisor)
{
    if (supervisor->claiming)
        supervisor->again = true;
    else if (supervisor->children.closing || supervisor->hold_until_ms > 0)
        return;
    else if (!supervisor->adopted)
        adopt_now(supervisor);
    else if (!supervisor->halted)
        claim_now(supervisor);
}

/* finding one's workers again */

static int adopt_run(struct job *job, struct store *store, struct err *err)
{
    struct supervisor *supervisor = job->data;
    return store_run_running(store, &supervisor->found, &supervisor->found_n, err);
}

static void adopt(struct supervisor *supervisor, const struct running_run *found)
{
    struct child *child = child_new(&supervisor->children);
    if (child == NULL)
        return; /* the next start finds it */
    child->load = (struct child_load){ found->run, found->memory_bytes, found->exclusive };
    child->attempt = found->attempt;
    child->experiment = found->experiment;
    child->pid = found->pid;
    child_watch(child);
    if (found->cancel)
        child_stop(child, STOP_CANCEL);
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
    for (size_t i = 0; i < supervisor->found_n && !supervisor->children.closing; i++)
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
    work_write(supervisor->children.work, &supervisor->job);
}

/* the supervisor */

int supervisor_new(uv_loop_t *loop, const struct supervisor_config *config, struct work *work,
                   struct supervisor **ret, struct err *err)
{
    if (access(config->worker_path, X_OK) != 0)
        return err_errno(err, ERR_USAGE, "the worker program %s can't be run", config->worker_path);
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return err_no_memory(err, "the supervisor");
    supervisor->children = (struct children){
        .loop = loop,
        .datadir = config->datadir,
        .worker_path = config->worker_path,
        .threads_per_run = config->threads_per_run,
        .lease_ms = config->lease_ms,
        .work = work,
        .gone = on_gone,
        .trouble = on_trouble,
        .restless = on_restless,
    };
    int64_t cores = uv_available_parallelism();
    int64_t slots = config->slots <= 0 ? cores : config->slots;
    slots = slots > SLOTS_MAX ? SLOTS_MAX : slots;
    if (config->threads_per_run <= 0)
        supervisor->children.threads_per_run = cores / slots > 0 ? cores / slots : 1;
    supervisor->limits =
        (struct queue_limits){ .slots = slots, .memory_bytes = config->memory_bytes };
    uv_timer_init(loop, &supervisor->timer);
    supervisor->timer.data = supervisor;
    adopt_now(supervisor);
    *ret = supervisor;
    return 0;
}

static void on_welcome(void *arg, int64_t run)
{
    struct supervisor *supervisor = arg;
    children_heard(&supervisor->children, run);
}

void supervisor_attach(struct supervisor *supervisor, struct ingest *ingest)
{
    supervisor->children.ingest = ingest;
    ingest_on_welcome(ingest, on_welcome, supervisor);
}

void supervisor_stop_run(struct supervisor *supervisor, int64_t run)
{
    for (struct child *k = supervisor->children.first; k != NULL; k = k->next)
        if (k->load.run == run)
            child_stop(k, STOP_CANCEL);
}

void supervisor_stop_runs(struct supervisor *supervisor, const int64_t *runs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        supervisor_stop_run(supervisor, runs[i]);
}

void supervisor_stop_experiment(struct supervisor *supervisor, int64_t experiment)
{
    for (struct child *k = supervisor->children.first; k != NULL; k = k->next)
        if (k->experiment == experiment)
            child_stop(k, STOP_CANCEL);
}

void supervisor_halt(struct supervisor *supervisor, bool halted)
{
    supervisor->halted = halted;
    if (!halted)
        supervisor_kick(supervisor);
}

const struct queue_limits *supervisor_limits(const struct supervisor *supervisor)
{
    return &supervisor->limits;
}

void supervisor_close(struct supervisor *supervisor, bool stop_workers, void (*closed)(void *),
                      void *arg)
{
    supervisor->closed = closed;
    supervisor->closed_arg = arg;
    children_close(&supervisor->children, stop_workers);
    set_timer(supervisor);
    maybe_closed(supervisor);
}
