/* The steps of a purge: the table of what each does and on which thread, what follows it, and what
 * happens when one fails. `ablated purge` takes the same steps without a loop, at the end. */
#include "server/retention/purge.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "server/jobs/work_beside.h"
#include "server/retention/collect.h"
#include "server/retention/compact.h"
#include "server/runs/owner.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/runs/store_purge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 600000, RETRY_MS = 5000 /* a backup is made, the disk is full */ };

/* Each is a job; next_step() says what follows, the next one unless it says otherwise. */
enum step {
    STEP_CANCEL,
    STEP_NEXT,
    STEP_FOLDERS,
    STEP_ROWS,
    STEP_EXPERIMENT,
    STEP_CORPORA,
    STEP_CHECKPOINTS,
    STEP_GONE,
    STEP_EVENTS,
    STEP_COMPACT,
    STEP_MARK,
    STEP_OVER
};

struct purge {
    struct purge_config config;
    struct work *work;
    struct job job, tick, retry;
    enum step step;
    bool busy, again, retrying, closing;
    struct purge_part part; /* what is going */
    bool more;              /* deleted experiments have runs to cancel */
    struct collect collect;
    struct compact compact;
    char said[sizeof((struct err *)NULL)->message]; /* the trouble that was told last */
};

/* What jobs do. */

/* Removes the folders of runs. Each is first renamed into tmp/: a folder that has lost its
 * owner.json is taken for a stranger's (owner.h), and would stay for good if the daemon died while
 * it removed one in its place. What can't be removed is tried again another time. */
static int remove_folders(const struct datadir *datadir, const struct purge_part *part,
                          struct err *err)
{
    char path[PATH_MAX], aside[PATH_MAX];
    int status = 0, hold = datadir_hold(datadir, err);
    if (hold < 0)
        return hold;
    for (size_t i = 0; i < part->runs_n && status == 0; i++) {
        if (part->strange[i])
            continue;
        datadir_path(datadir, path, "runs/%lld", (long long)part->runs[i]);
        datadir_path(datadir, aside, "tmp/run-%lld", (long long)part->runs[i]);
        files_remove_folder(aside); /* left by a removal that failed */
        bool gone = rename(path, aside) != 0 && errno == ENOENT;
        if (!gone)
            files_remove_folder(aside);
        if (!gone && (access(path, F_OK) == 0 || access(aside, F_OK) == 0))
            status = err_errno(err, ERR_STORAGE, "can't remove %s", path);
    }
    close(hold);
    return status;
}

static int cancel_run(struct job *job, struct store *store, struct err *err)
{
    return store_deleted_cancel(store, &((struct purge *)job->data)->more, err);
}

/* Folders of other databases' runs, which have the same ids, stay. */
static int note_strangers(struct store *store, const struct datadir *datadir,
                          struct purge_part *part, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < part->runs_n && status == 0; i++)
        status = owner_is_strange(store, datadir, part->runs[i], &part->strange[i], err);
    return status;
}

static int next_run(struct job *job, struct store *store, struct err *err)
{
    struct purge *p = job->data;
    int64_t n = 0, keep = p->config.keep_deleted_ms;
    int status =
        keep == INT64_MAX ? 0 : store_purge_expired(store, clock_wall_ms() - keep, &n, err);
    if (status == 0)
        status = store_purge_next(store, &p->part, err);
    return status == 0 ? note_strangers(store, p->config.datadir, &p->part, err) : status;
}

static int folders_run(struct job *job, struct store *store, struct err *err)
{
    const struct purge *p = job->data;
    (void)store;
    return remove_folders(p->config.datadir, &p->part, err);
}

static int rows_run(struct job *job, struct store *store, struct err *err)
{
    return store_purge_runs(store, &((struct purge *)job->data)->part, err);
}

static int experiment_run(struct job *job, struct store *store, struct err *err)
{
    return store_purge_experiment(store, ((struct purge *)job->data)->part.experiment, err);
}

static int corpora_run(struct job *job, struct store *store, struct err *err)
{
    struct purge *p = job->data;
    p->collect = (struct collect){ 0 };
    return collect_corpora(store, p->config.datadir, err);
}

static int checkpoints_run(struct job *job, struct store *store, struct err *err)
{
    struct purge *p = job->data;
    int64_t keep = p->config.keep_checkpoints_ms;
    return keep == INT64_MAX ? 0
                             : collect_checkpoints(&p->collect, store, p->config.datadir,
                                                   clock_wall_ms() - keep, err);
}

static int gone_run(struct job *job, struct store *store, struct err *err)
{
    struct purge *p = job->data;
    size_t left = 0;
    (void)store;
    int status = collect_remove(p->config.datadir, &left, err);
    if (left > 0 && p->collect.trouble.code == 0)
        err_set(&p->collect.trouble, ERR_STORAGE, "%zu of what lies in %s/tmp can't be removed",
                left, p->config.datadir->path);
    return status;
}

static int events_run(struct job *job, struct store *store, struct err *err)
{
    struct purge *p = job->data;
    int64_t keep = p->config.keep_events_ms;
    return keep == INT64_MAX
               ? 0
               : compact_list(&p->compact, store, p->config.datadir, clock_wall_ms() - keep, err);
}

static int compact_run(struct job *job, struct store *store, struct err *err)
{
    struct purge *p = job->data;
    (void)store;
    return compact_files_of(&p->compact, p->config.datadir, err);
}

static int mark_run(struct job *job, struct store *store, struct err *err)
{
    return compact_mark(&((struct purge *)job->data)->compact, store, err);
}

/* From one to the next. */

static const struct {
    int (*run)(struct job *, struct store *, struct err *);
    void (*where)(struct work *, struct job *);
} steps[] = {
    [STEP_CANCEL] = { cancel_run, work_write },
    [STEP_NEXT] = { next_run, work_write },
    [STEP_FOLDERS] = { folders_run, work_pool },
    [STEP_ROWS] = { rows_run, work_write },
    [STEP_EXPERIMENT] = { experiment_run, work_write },
    [STEP_CORPORA] = { corpora_run, work_write },
    [STEP_CHECKPOINTS] = { checkpoints_run, work_write },
    [STEP_GONE] = { gone_run, work_pool },
    [STEP_EVENTS] = { events_run, work_read },
    [STEP_COMPACT] = { compact_run, work_pool },
    [STEP_MARK] = { mark_run, work_write },
};

static enum step next_step(const struct purge *p)
{
    switch (p->step) {
    case STEP_CANCEL:
        return p->more ? STEP_CANCEL : STEP_NEXT;
    case STEP_NEXT:
        return p->part.runs_n > 0       ? STEP_FOLDERS
               : p->part.experiment > 0 ? STEP_EXPERIMENT
                                        : STEP_CORPORA;
    case STEP_ROWS:
        return p->part.gone < p->part.runs_n ? STEP_ROWS : STEP_NEXT;
    case STEP_EXPERIMENT:
        return STEP_NEXT;
    case STEP_CHECKPOINTS:
        return p->collect.more ? STEP_CHECKPOINTS : STEP_GONE;
    case STEP_EVENTS:
        return p->compact.n > 0 ? STEP_COMPACT : STEP_OVER;
    case STEP_MARK:
        return STEP_EVENTS;
    default:
        return p->step + 1;
    }
}

static void step_done(struct job *job);

static void begin(struct purge *p, enum step step)
{
    p->busy = true;
    p->step = step;
    p->job = (struct job){ .run = steps[step].run, .done = step_done, .data = p };
    steps[step].where(p->work, &p->job);
}

static void retry_done(struct job *job)
{
    struct purge *p = job->data;
    p->retrying = false;
    purge_kick(p);
}

/* The same trouble is told once. */
static void failed(struct purge *p, const struct err *err)
{
    if (strcmp(p->said, err->message) != 0)
        log_warn("purging waits: %s", err->message);
    snprintf(p->said, sizeof p->said, "%s", err->message);
    if (p->retrying || p->closing)
        return;
    p->retrying = true;
    p->retry = (struct job){ .done = retry_done, .data = p };
    work_later(p->work, &p->retry, RETRY_MS);
}

static void tell(const struct purge *p)
{
    if (p->step == STEP_EXPERIMENT)
        log_write(LOG_INFO, &(struct log_about){ .experiment = p->part.experiment }, "purged");
    if (p->step == STEP_GONE && p->collect.n > 0)
        log_info("the checkpoints of %zu runs that have ended are removed", p->collect.n);
}

static void step_done(struct job *job)
{
    struct purge *p = job->data;
    enum step next = job->status == 0 ? next_step(p) : STEP_OVER;
    p->busy = false;
    if (job->status == 0)
        tell(p);
    if (p->closing)
        return;
    if (job->status != 0)
        failed(p, &job->err);
    else if (next != STEP_OVER)
        begin(p, next);
    else if (p->collect.trouble.code != 0)
        failed(p, &p->collect.trouble);
    else
        p->said[0] = '\0';
    if (next == STEP_OVER && p->again && job->status == 0) {
        p->again = false;
        begin(p, STEP_CANCEL);
    }
}

void purge_kick(struct purge *p)
{
    p->again = p->busy;
    if (!p->busy && !p->closing)
        begin(p, STEP_CANCEL);
}

static void tick(struct job *job)
{
    struct purge *p = job->data;
    if (p->closing)
        return;
    purge_kick(p);
    work_later(p->work, &p->tick, TICK_MS);
}

int purge_new(const struct purge_config *config, struct work *work, struct purge **ret,
              struct err *err)
{
    struct purge *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_no_memory(err, "the purge");
    p->config = *config;
    p->work = work;
    p->tick = (struct job){ .done = tick, .data = p };
    work_later(work, &p->tick, TICK_MS);
    purge_kick(p);
    *ret = p;
    return 0;
}

void purge_close(struct purge *p)
{
    if (p != NULL)
        p->closing = true;
}

void purge_free(struct purge *p)
{
    if (p != NULL)
        compact_done(&p->compact);
    free(p);
}

/* Without a loop. */

static int in_transaction(struct store *store, struct purge_part *part, struct err *err)
{
    int status = store_begin(store, err);
    if (status == 0)
        status = part->runs_n > 0 ? store_purge_runs(store, part, err)
                                  : store_purge_experiment(store, part->experiment, err);
    if (status == 0)
        status = store_commit(store, err);
    if (status != 0)
        store_rollback(store);
    return status;
}

int purge_all(struct store *store, const struct datadir *datadir, int64_t *ret_n, struct err *err)
{
    int64_t asked = 0, n = 0;
    struct purge_part part;
    int status = store_purge_expired(store, INT64_MAX, &asked, err);
    while (status == 0 && (status = store_purge_next(store, &part, err)) == 0 &&
           part.experiment > 0) {
        status = note_strangers(store, datadir, &part, err);
        if (status == 0)
            status = remove_folders(datadir, &part, err);
        do
            status = status == 0 ? in_transaction(store, &part, err) : status;
        while (status == 0 && part.gone < part.runs_n);
        n += status == 0 && part.runs_n == 0;
    }
    if (status == 0)
        status = collect_corpora(store, datadir, err);
    if (status == 0)
        status = collect_remove(datadir, NULL, err);
    if (status == 0)
        *ret_n = n;
    return status;
}
