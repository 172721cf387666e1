/* Looks first, as a reader; writes only when there is something to pass over, and then again and
 * again until the folder takes it. */
#include "server/recover.h"

#include "common/base/log.h"
#include "server/jobs/work_beside.h"
#include "server/runs/forgotten.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/store_identity.h"

enum { AGAIN_MS = 1000 };

static bool is_foreign(const struct recovery *r)
{
    return r->forgotten > 0 || r->event_ids.strange;
}

static int look_run(struct job *job, struct store *store, struct err *err)
{
    struct recovery *r = job->data;
    int status = store_as_of(store, &r->last_seq, err);
    if (status == 0)
        status = forgotten_runs(store, r->datadir, &r->forgotten, err);
    if (status == 0)
        status = event_ids_look(store, r->datadir, r->forgotten > 0, &r->event_ids, err);
    return status;
}

static int pass_run(struct job *job, struct store *store, struct err *err)
{
    struct recovery *r = job->data;
    int status = r->forgotten > 0 ? store_run_ids_pass(store, r->forgotten, err) : 0;
    if (status == 0)
        status = event_ids_pass(&r->event_ids, store, err);
    return status == 0 ? store_as_of(store, &r->last_seq, err) : status;
}

static void pass_done(struct job *job);

static void pass(struct job *job)
{
    struct recovery *r = job->data;
    r->job = (struct job){ .run = pass_run, .done = pass_done, .data = r };
    if (!r->closing)
        work_write(r->work, &r->job);
}

static void tell(const struct recovery *r)
{
    if (r->forgotten > 0)
        log_warn("there are folders of runs up to %lld that the database doesn't know: it has lost "
                 "its last commits, or is an older one; their ids are passed over",
                 (long long)r->forgotten);
    else
        log_warn("the database isn't the one that this folder's last daemon left: who follows its "
                 "events begins anew");
}

static void pass_done(struct job *job)
{
    struct recovery *r = job->data;
    if (r->closing)
        return;
    if (job->status == -ERR_UNAVAILABLE || job->status == -ERR_DISK_FULL) { /* can be waited for */
        log_warn("the start waits: %s", job->err.message);
        r->job = (struct job){ .done = pass, .data = r };
        work_later(r->work, &r->job, AGAIN_MS);
        return;
    }
    if (job->status == 0) {
        tell(r);
        r->event_ids.strange = false;
    }
    r->done(job->status, &job->err, r->arg);
}

static void look_done(struct job *job)
{
    struct recovery *r = job->data;
    if (r->closing)
        return;
    if (job->status == 0 && is_foreign(r))
        pass(job);
    else
        r->done(job->status, &job->err, r->arg);
}

void recover(struct recovery *recovery)
{
    recovery->job = (struct job){ .run = look_run, .done = look_done, .data = recovery };
    work_read(recovery->work, &recovery->job);
}
