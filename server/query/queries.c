/* A process has ended for the daemon when it was reaped and its end of the socket is closed: then
 * what it wrote is complete. Only the daemon's own end doesn't wait for that. */
#include "server/query/queries.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/json/jsonx_dump.h"
#include "server/base/program.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/jobs/reaper.h"
#include "server/jobs/work.h"
#include "server/jobs/work_beside.h"
#include "server/query/process.h"
#include "server/store/store_params.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { CHUNK_BYTES = 65536, PROBLEM_BYTES = 4096 };

struct queries {
    struct work *work;
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
    struct query *query; /* NULL: the daemon's end has ended it */
    struct query_run *next;
    struct job start;
    struct {
        pid_t pid;
        int socket; /* the daemon's end */
    } started;      /* the pool's until start is done */
    pid_t pid;      /* 0 = not started, or waited for */
    bool followed;  /* reaper, pipe and deadline are open handles */
    size_t held;    /* by the start and by open handles; freed when it is 0 */
    struct reaper reaper;
    uv_pipe_t pipe;
    uv_timer_t deadline;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct buf request, bytes;
    struct err why; /* it was killed, or never came to be; code 0 = neither */
    bool exited, closed;
    int wait_status; /* as of waitpid */
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
    int number = WTERMSIG(run->wait_status);
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
    if (WIFSIGNALED(run->wait_status))
        return judge_signal(run, err);
    int exit_status = WEXITSTATUS(run->wait_status);
    if (exit_status == 0 && run->bytes.len > 0)
        return 0;
    if (exit_status == QUERY_REFUSED && run->bytes.len < PROBLEM_BYTES)
        return query_problem_read(run->bytes.data != NULL ? run->bytes.data : "", err);
    return err_set(err, ERR_INTERNAL, "the query's process ended with status %d", exit_status);
}

static void let_go(struct query_run *run)
{
    if (--run->held > 0)
        return;
    buf_done(&run->request);
    buf_done(&run->bytes);
    free(run);
}

static void on_handle_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void close_handles(struct query_run *run)
{
    reaper_close(&run->reaper, on_handle_closed);
    uv_close((uv_handle_t *)&run->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&run->deadline, on_handle_closed);
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
    run->query = NULL;
    query->status = judge(run, &query->err);
    if (query->status == 0) {
        query->reply = run->bytes;
        query->held = run->bytes.size;
        queries->held += query->held;
        buf_init(&run->bytes, 0);
    }
    if (run->followed)
        close_handles(run);
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
    if (run->pid != 0)
        kill(run->pid, SIGKILL);
}

/* running */

static void on_ended(struct reaper *reaper, int status)
{
    struct query_run *run = reaper->signal.data;
    run->exited = true;
    run->pid = 0;
    run->wait_status = status;
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
    struct watch_mark mark = watch_enter("read of a query", "");
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
    watch_leave(mark);
}

static void on_deadline(uv_timer_t *timer)
{
    struct query_run *run = timer->data;
    struct err late;
    store_query_late(run->queries->allowed_ms, &late);
    kill_run(run, &late);
}

static void ask(struct query_run *run)
{
    const struct query *query = run->query;
    json_t *request = json_pack("{s:s, s:s, s:I}", "database", run->queries->database, "sql",
                                query->sql, "limit", (json_int_t)query->limit);
    if (query->params != NULL)
        json_object_set_new(request, "params", store_params_pack(query->params));
    jsonx_dump(request, JSONX_KEEP_ORDER, &run->request);
    json_decref(request);
    uv_buf_t bytes = uv_buf_init(run->request.data, (unsigned)run->request.len);
    uv_stream_t *stream = (uv_stream_t *)&run->pipe;
    /* One that dies meanwhile is told of by its end. */
    uv_write(&run->write, stream, &bytes, 1, NULL);
    uv_shutdown(&run->shutdown, stream, NULL);
    uv_read_start(stream, on_alloc, on_read);
}

static int spawn_on_pool(struct job *job, struct store *store, struct err *err)
{
    struct query_run *run = job->data;
    const struct queries *queries = run->queries;
    char parent[24], allowed[24];
    int sockets[2];
    (void)store;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return err_set(err, ERR_UNAVAILABLE, "the query's process can't be talked to: %s",
                       strerror(errno));
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    snprintf(allowed, sizeof allowed, "%lld", (long long)queries->allowed_ms);
    const char *const args[] = { "ablated", QUERY_PROCESS, parent, allowed, NULL };
    const char *const nothing[] = { NULL };
    const struct program process = {
        .path = queries->program,
        .args = args,
        .env = nothing,
        .folder = "/",
        .in = sockets[1],
        .out = -1,
        .err = -1,
    };
    int code = program_start(&process, &run->started.pid);
    close(sockets[1]);
    run->started.socket = sockets[0];
    if (code == 0)
        return 0;
    close(sockets[0]);
    return err_set(err, ERR_UNAVAILABLE, "the query's process can't be started: %s",
                   uv_strerror(uv_translate_sys_error(code)));
}

static void follow(struct query_run *run)
{
    uv_loop_t *loop = work_loop(run->queries->work);
    run->reaper.signal.data = run->pipe.data = run->deadline.data = run;
    run->pid = run->started.pid;
    run->followed = true;
    run->held += 3;
    reaper_watch(&run->reaper, loop, run->pid, on_ended);
    uv_timer_init(loop, &run->deadline);
    uv_timer_start(&run->deadline, on_deadline, (uint64_t)run->queries->allowed_ms, 0);
    uv_pipe_init(loop, &run->pipe, 0);
    uv_pipe_open(&run->pipe, run->started.socket);
    ask(run);
}

static void spawned(struct job *job)
{
    struct query_run *run = job->data;
    if (job->status != 0 && run->query != NULL) {
        kill_run(run, &job->err);
        end(run);
    } else if (job->status == 0 && run->query == NULL) {
        close(run->started.socket);
        kill(run->started.pid, SIGKILL);
    } else if (job->status == 0) {
        follow(run);
        if (run->why.code != 0) /* its caller has left meanwhile */
            kill_run(run, &run->why);
    }
    let_go(run);
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
    run->held = 1;
    run->start = (struct job){ .run = spawn_on_pool, .done = spawned, .data = run };
    work_pool(queries->work, &run->start);
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
    queries->work = work;
    queries->allowed_ms = allowed_ms;
    find_program(queries);
    datadir_path(datadir, queries->database, "ablate.db");
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
