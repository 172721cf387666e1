/* Those that wait are a list, first come first; those that run are another. Whatever makes room looks
 * whether somebody waits (pump). */
#include "server/query/queries.h"

#include "common/base/clock.h"
#include "server/data/datadir.h"
#include "server/jobs/work.h"
#include "server/query/query_run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct queries {
    struct query_host host;
    int program_fd;             /* -1: it couldn't be opened */
    struct query *first, *last; /* waiting */
    size_t waiting;
    struct query *asked; /* running */
    size_t running, held;
    uv_timer_t patience; /* of the first that waits */
    bool closing;
};

static void pump(struct queries *queries);

static int unavailable(struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "the daemon is ending");
}

static void on_ended(struct query *query)
{
    struct queries *queries = query->queries;
    for (struct query **at = &queries->asked; *at != NULL; at = &(*at)->next)
        if (*at == query) {
            *at = query->next;
            break;
        }
    queries->running--;
    if (query->status == 0) {
        query->held = query->reply.size;
        queries->held += query->held;
    }
    query->done(query);
    pump(queries);
}

static void start(struct queries *queries, struct query *query)
{
    query->next = queries->asked;
    queries->asked = query;
    queries->running++;
    query_run_start(&queries->host, query, on_ended);
}

/* waiting */

static void watch_patience(struct queries *queries);

static struct query *take_first(struct queries *queries)
{
    struct query *query = queries->first;
    queries->first = query->next;
    if (queries->first == NULL)
        queries->last = NULL;
    queries->waiting--;
    return query;
}

static void refuse_first(struct queries *queries, enum err_code code, const char *why)
{
    struct query *query = take_first(queries);
    query->status = err_set(&query->err, code, "%s", why);
    query->done(query);
}

static void on_patience(uv_timer_t *timer)
{
    struct queries *queries = timer->data;
    while (queries->first != NULL && clock_mono_ms() - queries->first->since_ms >= QUERIES_WAIT_MS)
        refuse_first(queries, ERR_TOO_MANY_REQUESTS, "too many queries run or wait");
    watch_patience(queries);
}

static void watch_patience(struct queries *queries)
{
    if (queries->closing)
        return;
    if (queries->first == NULL) {
        uv_timer_stop(&queries->patience);
        return;
    }
    int64_t left = queries->first->since_ms + QUERIES_WAIT_MS - clock_mono_ms();
    uv_timer_start(&queries->patience, on_patience, left > 0 ? (uint64_t)left : 0, 0);
}

static void pump(struct queries *queries)
{
    while (!queries->closing && queries->first != NULL && queries->running < QUERIES_RUNNING &&
           queries->held < QUERIES_HELD_BYTES)
        start(queries, take_first(queries));
    watch_patience(queries);
}

int query_begin(struct queries *queries, struct query *query, struct err *err)
{
    if (queries->closing)
        return unavailable(err);
    if (queries->waiting >= QUERIES_WAITING)
        return err_set(err, ERR_TOO_MANY_REQUESTS, "too many queries run or wait");
    query->queries = queries;
    query->since_ms = clock_mono_ms();
    query->next = NULL;
    if (queries->last != NULL)
        queries->last->next = query;
    else
        queries->first = query;
    queries->last = query;
    queries->waiting++;
    pump(queries);
    return 0;
}

static bool take_out(struct queries *queries, const struct query *query)
{
    struct query *before = NULL;
    for (struct query *at = queries->first; at != NULL; before = at, at = at->next) {
        if (at != query)
            continue;
        if (before != NULL)
            before->next = at->next;
        else
            queries->first = at->next;
        if (queries->last == at)
            queries->last = before;
        queries->waiting--;
        return true;
    }
    return false;
}

void query_drop(struct query *query)
{
    struct err left;
    struct queries *queries = query->queries;
    if (queries == NULL)
        return;
    int status = err_set(&left, ERR_UNAVAILABLE, "nobody waits for the reply any more");
    if (query->run != NULL) {
        query_run_kill(query->run, &left);
    } else if (take_out(queries, query)) {
        query->status = status;
        query->err = left;
        watch_patience(queries);
        query->done(query);
    }
}

void query_release(struct query *query)
{
    buf_done(&query->reply);
    if (query->queries == NULL)
        return;
    query->queries->held -= query->held;
    query->held = 0;
    pump(query->queries);
}

/* all of them */

/* This program, whatever lies where it was by the time. Not /proc/self/exe itself: of a daemon that
 * runs under an analyser that is the analyser. */
static void find_program(struct queries *queries)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    queries->program_fd = open(path, O_PATH | O_CLOEXEC);
    if (queries->program_fd >= 0)
        snprintf(queries->host.program, sizeof queries->host.program, "/proc/self/fd/%d",
                 queries->program_fd);
    else
        snprintf(queries->host.program, sizeof queries->host.program, "/proc/self/exe");
}

int queries_new(struct work *work, const struct datadir *datadir, int64_t allowed_ms,
                struct queries **ret, struct err *err)
{
    struct queries *queries = calloc(1, sizeof *queries);
    if (queries == NULL)
        return err_no_memory(err, "queries");
    queries->host.work = work;
    queries->host.allowed_ms = allowed_ms;
    find_program(queries);
    datadir_path(datadir, queries->host.database, "ablate.db");
    uv_timer_init(work_loop(work), &queries->patience);
    queries->patience.data = queries;
    *ret = queries;
    return 0;
}

void queries_close(struct queries *queries)
{
    struct err ending;
    if (queries == NULL || queries->closing)
        return;
    queries->closing = true;
    unavailable(&ending);
    while (queries->first != NULL)
        refuse_first(queries, ERR_UNAVAILABLE, ending.message);
    while (queries->asked != NULL)
        query_run_abandon(queries->asked->run, &ending);
    uv_close((uv_handle_t *)&queries->patience, NULL);
}

void queries_free(struct queries *queries)
{
    if (queries != NULL && queries->program_fd >= 0)
        close(queries->program_fd);
    free(queries);
}
