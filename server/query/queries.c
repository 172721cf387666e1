/* A process has ended for the daemon when it was reaped and its end of the socket is closed: then
 * what it wrote is complete. Only the daemon's own end doesn't wait for that. */
#include "server/query/queries.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/json/jsonx.h"
#include "server/data/datadir.h"
#include "server/jobs/work.h"
#include "server/query/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { CHUNK_BYTES = 65536, PROBLEM_BYTES = 4096, HANDLES = 3 };

struct queries {
    uv_loop_t *loop;
    char database[PATH_MAX], program[64];
    int program_fd; /* -1: it couldn't be opened */
    int64_t allowed_ms;
    struct query *first, *last; /* waiting */
    size_t waiting;
    struct query_run *runs;
    size_t running, held;
    uv_timer_t patience; /* of the first that waits */
    bool closing;
};

struct query_run {
    struct queries *queries;
    struct query *query;
    struct query_run *next;
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t deadline;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct buf request, bytes;
    struct err why; /* it was killed, or never came to be; code 0 = neither */
    bool started, exited, closed;
    int64_t exit_status;
    int exit_signal, handles;
    char chunk[CHUNK_BYTES];
};

static void pump(struct queries *queries);

/* how it ended */

static int unavailable(struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "the daemon is ending");
}

static int judge_signal(const struct query_run *run, struct err *err)
{
    int number = run->exit_signal;
    switch (number) {
    case SIGKILL: /* not ours: the kernel's, for want of memory */
        return store_query_too_big(err);
    case SIGXCPU:
        return store_query_late(run->queries->allowed_ms, err);
    default:
        return err_set(err, ERR_INTERNAL, "the query's process died of SIG%s",
                       sigabbrev_np(number) != NULL ? sigabbrev_np(number) : "?");
    }
}

static int judge(const struct query_run *run, struct err *err)
{
    if (run->why.code != 0) {
        *err = run->why;
        return -err->code;
    }
    if (run->exit_signal != 0)
        return judge_signal(run, err);
    if (run->exit_status == 0 && run->bytes.len > 0)
        return 0;
    if (run->exit_status == QUERY_REFUSED && run->bytes.len < PROBLEM_BYTES)
        return query_problem_read(run->bytes.data != NULL ? run->bytes.data : "", err);
    return err_set(err, ERR_INTERNAL, "the query's process ended with status %d",
                   (int)run->exit_status);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct query_run *run = handle->data;
    if (--run->handles > 0)
        return;
    buf_done(&run->request);
    buf_done(&run->bytes);
    free(run);
}

static void end(struct query_run *run)
{
    struct queries *queries = run->queries;
    struct query *query = run->query;
    for (struct query_run **at = &queries->runs; *at != NULL; at = &(*at)->next)
        if (*at == run) {
            *at = run->next;
            break;
        }
    queries->running--;
    query->run = NULL;
    query->status = judge(run, &query->err);
    if (query->status == 0) {
        query->reply = run->bytes;
        query->held = run->bytes.size;
        queries->held += query->held;
        buf_init(&run->bytes, 0);
    }
    run->handles = HANDLES;
    uv_close((uv_handle_t *)&run->process, on_handle_closed);
    uv_close((uv_handle_t *)&run->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&run->deadline, on_handle_closed);
    query->done(query);
    pump(queries);
}

static void maybe_end(struct query_run *run)
{
    if (run->exited && run->closed)
        end(run);
}

/* The first reason is the one that is told. */
static void kill_run(struct query_run *run, const struct err *why)
{
    if (run->why.code == 0)
        run->why = *why;
    if (run->started && !run->exited)
        uv_process_kill(&run->process, SIGKILL);
}

/* running */

static void on_ended(uv_process_t *process, int64_t status, int signal)
{
    struct query_run *run = process->data;
    run->exited = true;
    run->exit_status = status;
    run->exit_signal = signal;
    maybe_end(run);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct query_run *run = handle->data;
    *ret = uv_buf_init(run->chunk, sizeof run->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct query_run *run = stream->data;
    struct err err;
    if (n > 0)
        buf_add(&run->bytes, buffer->base, (size_t)n);
    if (n < 0) {
        run->closed = true;
        uv_read_stop(stream);
        maybe_end(run);
    } else if (run->bytes.failed) { /* more than it may say: it isn't what it was */
        err_set(&err, ERR_INTERNAL, "the query's reply is larger than it can be");
        kill_run(run, &err);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct query_run *run = timer->data;
    struct err late;
    store_query_late(run->queries->allowed_ms, &late);
    if (run->started)
        kill_run(run, &late);
    else
        end(run); /* it couldn't be started */
}

static int spawn(struct query_run *run)
{
    struct queries *queries = run->queries;
    char parent[24], allowed[24];
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    snprintf(allowed, sizeof allowed, "%lld", (long long)queries->allowed_ms);
    char *args[] = { "ablated", QUERY_PROCESS, parent, allowed, NULL }, *environment[] = { NULL };
    uv_stdio_container_t stdio[] = {
        { .flags = UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE,
          .data.stream = (uv_stream_t *)&run->pipe },
        { .flags = UV_IGNORE },
        { .flags = UV_IGNORE },
    };
    const uv_process_options_t options = {
        .exit_cb = on_ended,
        .file = queries->program,
        .args = args,
        .env = environment,
        .cwd = "/",
        .stdio = stdio,
        .stdio_count = 3,
    };
    return uv_spawn(queries->loop, &run->process, &options);
}

static void ask(struct query_run *run)
{
    const struct query *query = run->query;
    json_t *request = json_pack("{s:s, s:s, s:I}", "database", run->queries->database, "sql",
                                query->sql, "limit", (json_int_t)query->limit);
    jsonx_dump(request, JSONX_KEEP_ORDER, &run->request);
    json_decref(request);
    uv_buf_t bytes = uv_buf_init(run->request.data, (unsigned)run->request.len);
    uv_stream_t *stream = (uv_stream_t *)&run->pipe;
    /* One that dies meanwhile is told of by its end. */
    uv_write(&run->write, stream, &bytes, 1, NULL);
    uv_shutdown(&run->shutdown, stream, NULL);
    uv_read_start(stream, on_alloc, on_read);
}

static void start(struct queries *queries, struct query *query)
{
    struct query_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        abort(); /* as work.c: without these few bytes no promise could be broken politely */
    run->queries = queries;
    run->query = query;
    run->next = queries->runs;
    queries->runs = query->run = run;
    queries->running++;
    buf_init(&run->request, 0);
    buf_init(&run->bytes, STORE_QUERY_BYTES);
    uv_pipe_init(queries->loop, &run->pipe, 0);
    uv_timer_init(queries->loop, &run->deadline);
    run->process.data = run->pipe.data = run->deadline.data = run;
    int code = spawn(run);
    run->started = code == 0;
    if (run->started)
        ask(run);
    else
        err_set(&run->why, ERR_UNAVAILABLE, "the query's process can't be started: %s",
                uv_strerror(code));
    uv_timer_start(&run->deadline, on_deadline, run->started ? (uint64_t)queries->allowed_ms : 0,
                   0);
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
        kill_run(query->run, &left);
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
        snprintf(queries->program, sizeof queries->program, "/proc/self/fd/%d",
                 queries->program_fd);
    else
        snprintf(queries->program, sizeof queries->program, "/proc/self/exe");
}

int queries_new(struct work *work, const struct datadir *datadir, int64_t allowed_ms,
                struct queries **ret, struct err *err)
{
    struct queries *queries = calloc(1, sizeof *queries);
    if (queries == NULL)
        return err_no_memory(err, "queries");
    queries->loop = work_loop(work);
    queries->allowed_ms = allowed_ms;
    find_program(queries);
    datadir_path(datadir, queries->database, "ablate.db");
    uv_timer_init(queries->loop, &queries->patience);
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
    while (queries->runs != NULL) {
        kill_run(queries->runs, &ending);
        end(queries->runs);
    }
    uv_close((uv_handle_t *)&queries->patience, NULL);
}

void queries_free(struct queries *queries)
{
    if (queries != NULL && queries->program_fd >= 0)
        close(queries->program_fd);
    free(queries);
}
