/* What runs beside the writer: jobs of readers and of the pool, and jobs that a timer holds. */
#include "server/jobs/work_beside.h"

#include "common/base/shortage.h"
#include "server/base/watch.h"
#include "server/jobs/work_priv.h"

/* delays */

static void on_delay_closed(uv_handle_t *handle)
{
    struct job *job = handle->data;
    struct work *work = job->work;
    work->timers--;
    job->done(job);
    work_maybe_closed(work);
}

static void end_delay(struct job *job)
{
    for (struct job **at = &job->work->delayed; *at != NULL; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            break;
        }
    uv_close((uv_handle_t *)&job->timer, on_delay_closed);
}

static void on_delay(uv_timer_t *timer)
{
    end_delay(timer->data);
}

void work_later(struct work *work, struct job *job, int64_t ms)
{
    job->work = work;
    job->next = work->delayed;
    work->delayed = job;
    work->timers++;
    uv_timer_init(work->loop, &job->timer);
    job->timer.data = job;
    uv_timer_start(&job->timer, on_delay, (uint64_t)ms, 0);
}

void work_hurry(struct job *job)
{
    if (!uv_is_closing((uv_handle_t *)&job->timer))
        end_delay(job);
}

void work_end_delays(struct work *work)
{
    while (work->delayed != NULL)
        end_delay(work->delayed);
}

/* readers */

static struct store *take_reader(struct work *work, struct err *err)
{
    struct store *store = NULL;
    pthread_mutex_lock(&work->lock);
    if (work->readers_n > 0)
        store = work->readers[--work->readers_n];
    pthread_mutex_unlock(&work->lock);
    if (store == NULL)
        store_open_beside(work->writer, work->path, &store, err);
    return store;
}

static void put_reader(struct work *work, struct store *store)
{
    pthread_mutex_lock(&work->lock);
    bool kept = work->readers_n < READERS_MAX;
    if (kept)
        work->readers[work->readers_n++] = store;
    pthread_mutex_unlock(&work->lock);
    if (!kept)
        store_close(store);
}

/* A page that makes no sense to a reader won't to the writer. */
static void tell_fatal(struct work *work, const struct err *err)
{
    pthread_mutex_lock(&work->lock);
    work->fatal = *err;
    pthread_mutex_unlock(&work->lock);
    uv_async_send(&work->wake);
}

static void read_on_pool(uv_work_t *request)
{
    struct job *job = request->data;
    job->err = (struct err){ 0 };
    struct store *store = take_reader(job->work, &job->err);
    if (store == NULL) {
        job->status = -job->err.code;
        return;
    }
    job->status = store_begin(store, &job->err);
    if (job->status == 0) {
        shortage_begin();
        job->status = shortage_end(job->run(job, store, &job->err), &job->err);
    }
    store_rollback(store);
    if (job->status == -ERR_BAD_DATA && store_damaged(store))
        tell_fatal(job->work, &job->err);
    put_reader(job->work, store);
}

static void read_over(uv_work_t *request, int uv_status)
{
    struct job *job = request->data;
    struct work *work = job->work;
    if (uv_status != 0)
        job->status = err_set(&job->err, ERR_UNAVAILABLE, "the read was given up: %s",
                              uv_strerror(uv_status));
    work->reading--;
    struct watch_mark mark = watch_enter("end of a read", "");
    job->done(job);
    watch_leave(mark);
    work_maybe_closed(work);
}

static void on_pool(struct work *work, struct job *job, uv_work_cb run)
{
    job->work = work;
    job->request.data = job;
    work->reading++;
    uv_queue_work(work->loop, &job->request, run, read_over);
}

void work_read(struct work *work, struct job *job)
{
    on_pool(work, job, read_on_pool);
}

static void run_on_pool(uv_work_t *request)
{
    struct job *job = request->data;
    job->err = (struct err){ 0 };
    shortage_begin();
    job->status = shortage_end(job->run(job, NULL, &job->err), &job->err);
}

void work_pool(struct work *work, struct job *job)
{
    on_pool(work, job, run_on_pool);
}
