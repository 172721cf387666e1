/* A job keeps its own `done` in line_done while it stands in line: the line's comes first, and lets
 * the next one have the thread. */
#include "server/jobs/line.h"

#include "server/jobs/work_beside.h"

void line_init(struct line *line, struct work *work, size_t width)
{
    *line = (struct line){ .work = work, .width = width };
    line->end = &line->first;
}

/* Later: the caller of line_join is in the middle of something. */
static void give_up(struct line *line, struct job *job)
{
    job->status = err_set(&job->err, ERR_UNAVAILABLE, "the daemon is stopping");
    work_later(line->work, job, 0);
}

static void on_done(struct job *job);

static void start(struct line *line)
{
    while (line->first != NULL && line->running < line->width) {
        struct job *job = line->first;
        line->first = job->next;
        if (line->first == NULL)
            line->end = &line->first;
        job->line = line;
        job->line_done = job->done;
        job->done = on_done;
        line->running++;
        work_pool(line->work, job);
    }
}

static void on_done(struct job *job)
{
    struct line *line = job->line;
    job->done = job->line_done;
    line->running--;
    start(line);
    job->done(job); /* may free it */
}

void line_join(struct line *line, struct job *job)
{
    if (line_closing(line)) {
        give_up(line, job);
        return;
    }
    job->next = NULL;
    *line->end = job;
    line->end = &job->next;
    start(line);
}

void line_close(struct line *line)
{
    struct job *job = line->first;
    atomic_store(&line->closing, true);
    line->first = NULL;
    line->end = &line->first;
    for (struct job *next; job != NULL; job = next) {
        next = job->next;
        give_up(line, job);
    }
}

bool line_closing(const struct line *line)
{
    return atomic_load(&line->closing);
}
