/* A process has ended for the daemon when it was reaped and its end of the socket is closed: then
 * what it wrote is complete. Only the daemon's own end doesn't wait for that. */
#include "server/query/query_run.h"

#include "common/json/jsonx_dump.h"
#include "server/base/program.h"
#include "server/base/watch.h"
#include "server/jobs/reaper.h"
#include "server/jobs/work.h"
#include "server/jobs/work_beside.h"
#include "server/query/process.h"
#include "server/query/queries.h"
#include "server/store/store_params.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { CHUNK_BYTES = 65536, PROBLEM_BYTES = 4096 };

struct query_run {
    const struct query_host *host;
    struct query *query; /* NULL: the daemon's end has ended it */
    void (*ended)(struct query *);
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

/* how it ended */

static int judge_signal(const struct query_run *run, struct err *err)
{
    int number = WTERMSIG(run->wait_status);
    switch (number) {
    case SIGKILL: /* not ours: the kernel's, for want of memory */
        return store_query_too_big(err);
    case SIGXCPU:
        return store_query_late(run->host->allowed_ms, err);
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
    struct query *query = run->query;
    query->run = NULL;
    run->query = NULL;
    query->status = judge(run, &query->err);
    if (query->status == 0) {
        query->reply = run->bytes;
        buf_init(&run->bytes, 0);
    }
    if (run->followed)
        close_handles(run);
    run->ended(query);
}

static void maybe_end(struct query_run *run)
{
    if (run->exited && run->closed)
        end(run);
}

void query_run_kill(struct query_run *run, const struct err *why)
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
        query_run_kill(run, &err);
    }
    watch_leave(mark);
}

static void on_deadline(uv_timer_t *timer)
{
    struct query_run *run = timer->data;
    struct err late;
    store_query_late(run->host->allowed_ms, &late);
    query_run_kill(run, &late);
}

static void ask(struct query_run *run)
{
    const struct query *query = run->query;
    json_t *request = json_pack("{s:s, s:s, s:I}", "database", run->host->database, "sql",
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
    const struct query_host *host = run->host;
    char parent[24], allowed[24];
    int sockets[2];
    (void)store;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return err_set(err, ERR_UNAVAILABLE, "the query's process can't be talked to: %s",
                       strerror(errno));
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    snprintf(allowed, sizeof allowed, "%lld", (long long)host->allowed_ms);
    const char *const args[] = { "ablated", QUERY_PROCESS, parent, allowed, NULL };
    const char *const nothing[] = { NULL };
    const struct program process = {
        .path = host->program,
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
    uv_loop_t *loop = work_loop(run->host->work);
    run->reaper.signal.data = run->pipe.data = run->deadline.data = run;
    run->pid = run->started.pid;
    run->followed = true;
    run->held += 3;
    reaper_watch(&run->reaper, loop, run->pid, on_ended);
    uv_timer_init(loop, &run->deadline);
    uv_timer_start(&run->deadline, on_deadline, (uint64_t)run->host->allowed_ms, 0);
    uv_pipe_init(loop, &run->pipe, 0);
    uv_pipe_open(&run->pipe, run->started.socket);
    ask(run);
}

static void spawned(struct job *job)
{
    struct query_run *run = job->data;
    if (job->status != 0 && run->query != NULL) {
        query_run_kill(run, &job->err);
        end(run);
    } else if (job->status == 0 && run->query == NULL) {
        close(run->started.socket);
        kill(run->started.pid, SIGKILL);
    } else if (job->status == 0) {
        follow(run);
        if (run->why.code != 0) /* its caller has left meanwhile */
            query_run_kill(run, &run->why);
    }
    let_go(run);
}

void query_run_start(const struct query_host *host, struct query *query,
                     void (*ended)(struct query *))
{
    struct query_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        abort(); /* as work.c: without these few bytes no promise could be broken politely */
    run->host = host;
    run->query = query;
    run->ended = ended;
    query->run = run;
    buf_init(&run->request, 0);
    buf_init(&run->bytes, STORE_QUERY_BYTES);
    run->held = 1;
    run->start = (struct job){ .run = spawn_on_pool, .done = spawned, .data = run };
    work_pool(host->work, &run->start);
}

void query_run_abandon(struct query_run *run, const struct err *why)
{
    query_run_kill(run, why);
    end(run);
}
