/* A round: read, store, and again until there is none. */
#include "server/drawing.h"

#include "common/base/log.h"
#include "server/jobs/work_beside.h"

static void read_one(struct drawing *d);

static void over(struct drawing *d)
{
    verdicts_done(&d->verdicts);
    d->busy = false;
    if (d->job.status != 0 && !d->closing)
        log_warn("some experiments can't be found by their verdict yet: %s", d->job.err.message);
    drawing_kick(d); /* what was left meanwhile */
}

static int put_run(struct job *job, struct store *store, struct err *err)
{
    return verdicts_put(store, &((struct drawing *)job->data)->verdicts, err);
}

static void put_done(struct job *job)
{
    struct drawing *d = job->data;
    if (job->status != 0 || d->closing) {
        over(d);
        return;
    }
    verdicts_done(&d->verdicts);
    read_one(d);
}

static int read_run(struct job *job, struct store *store, struct err *err)
{
    return verdicts_read(store, &((struct drawing *)job->data)->verdicts, err);
}

static void read_done(struct job *job)
{
    struct drawing *d = job->data;
    if (job->status != 0 || d->closing || d->verdicts.of.experiment == 0) {
        over(d);
        return;
    }
    d->job = (struct job){ .run = put_run, .done = put_done, .data = d };
    work_write(d->work, &d->job);
}

static void read_one(struct drawing *d)
{
    d->job = (struct job){ .run = read_run, .done = read_done, .data = d };
    work_read(d->work, &d->job);
}

void drawing_note(struct drawing *d)
{
    atomic_store(&d->noted, true);
}

void drawing_kick(struct drawing *d)
{
    if (d->busy || d->closing || d->work == NULL || !atomic_exchange(&d->noted, false))
        return;
    d->busy = true;
    read_one(d);
}
