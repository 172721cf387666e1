/* A channel goes round: claim (writer) → start (pool) → the process → settle (writer) → claim. When
 * nothing is due it sleeps until something is, or until a transaction has noted an end. */
#include "server/notices/notices.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/base/machine.h"
#include "server/base/program.h"
#include "server/jobs/reaper.h"
#include "server/jobs/work.h"
#include "server/jobs/work_beside.h"
#include "server/notices/webhook.h"
#include "server/store/curves/store_digests.h"
#include "server/store/runs/store_notices.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum {
    SAID_BYTES = 400,
    REQUEST_BYTES = 48 << 10, /* fits into a pipe */
    TROUBLE_MS = 5000         /* before the store is asked again that couldn't answer */
};

struct channel {
    struct notices *notices;
    enum notice_channel kind;
    bool on, busy, kicked, begun;
    struct job job;
    struct notice notice;
    char delivery[WEBHOOK_DELIVERY];
    char *body; /* the webhook's; owned */
    struct {
        pid_t pid;
        int said; /* the end of what it prints to standard error */
    } started;
    struct reaper reaper;
    uv_pipe_t pipe;
    uv_timer_t deadline, sleep;
    size_t open; /* of reaper, pipe and deadline */
    bool late;
    int wait_status;
    char said[SAID_BYTES], chunk[4096];
    size_t said_n;
    char outcome[512];
    bool told;
};

struct notices {
    const struct options *options;
    char deliver[PATH_MAX], secret[PATH_MAX];
    struct work *work;
    uv_async_t noted;
    struct channel channels[NOTICE_CHANNELS];
    bool closing;
};

static void claim(struct channel *c);

/* After an attempt that nobody has settled, since the daemon died. */
static const int64_t again_ms = (NOTICES_PROGRAM_S + 5) * 1000;

/* Milliseconds after an attempt that failed; 0 after the last. */
static int64_t pause_ms(int64_t attempts)
{
    static const int64_t seconds[NOTICES_TRIES - 1] = { 1, 5, 30, 120, 600, 3600, 21600 };
    return attempts < NOTICES_TRIES ? seconds[attempts - 1] * 1000 : 0;
}

/* claim: the notice, and what there is to say of it */

static int claim_run(struct job *job, struct store *store, struct err *err)
{
    struct channel *c = job->data;
    free(c->body);
    c->body = NULL;
    int status = c->begun ? 0 : store_notices_hurry(store, c->kind, clock_wall_ms(), err);
    c->begun = c->begun || status == 0;
    if (status == 0)
        status = store_notice_claim(store, c->kind, clock_wall_ms(), again_ms, &c->notice, err);
    if (status == 0 && c->notice.id != 0 && c->kind == NOTICE_WEBHOOK)
        status = webhook_body(store, &c->notice, c->delivery, &c->body, err);
    return status;
}

/* settle: what came of it */

static void settle_done(struct job *job)
{
    struct channel *c = job->data;
    c->busy = false;
    if (job->status != 0)
        log_warn("that experiment %lld was told of isn't stored, so it is told of again: %s",
                 (long long)c->notice.experiment, job->err.message);
    claim(c);
}

static int settle_run(struct job *job, struct store *store, struct err *err)
{
    struct channel *c = job->data;
    int64_t pause = c->told || c->kind == NOTICE_COMMAND ? 0 : pause_ms(c->notice.attempts);
    int64_t next_at = pause > 0 ? clock_wall_ms() + pause : 0;
    return store_notice_settle(store, c->notice.id, next_at, c->outcome, err);
}

static void settle(struct channel *c)
{
    const struct log_about about = { .experiment = c->notice.experiment };
    bool last = c->notice.attempts >= NOTICES_TRIES;
    if (c->told)
        log_write(LOG_INFO, &about, "its end was told to the %s", notice_channels[c->kind]);
    else if (c->kind == NOTICE_COMMAND)
        log_write(LOG_WARN, &about, "the program of --on-end failed: %s", c->outcome);
    else
        log_write(LOG_WARN, &about, "the webhook couldn't be told (attempt %lld of %d%s): %s",
                  (long long)c->notice.attempts, NOTICES_TRIES, last ? ", the last" : "",
                  c->outcome);
    c->job = (struct job){ .run = settle_run, .done = settle_done, .data = c };
    work_write(c->notices->work, &c->job);
}

static void fail(struct channel *c, const char *why)
{
    c->told = false;
    snprintf(c->outcome, sizeof c->outcome, "%s", why);
    settle(c);
}

/* the process */

static void judge(struct channel *c)
{
    int seconds = c->kind == NOTICE_COMMAND ? NOTICES_PROGRAM_S : NOTICES_DELIVERY_S;
    char said[SAID_BYTES];
    size_t len = c->said_n;
    while (len > 0 && (unsigned char)c->said[len - 1] <= ' ')
        len--;
    snprintf(said, sizeof said, "%.*s", (int)len, c->said);
    int exit_status = WIFEXITED(c->wait_status) ? WEXITSTATUS(c->wait_status) : -1;
    c->told = exit_status == 0;
    if (c->told)
        snprintf(c->outcome, sizeof c->outcome, "told");
    else if (c->late)
        snprintf(c->outcome, sizeof c->outcome, "it was killed after %d s: %s", seconds, said);
    else if (exit_status < 0)
        snprintf(c->outcome, sizeof c->outcome, "it died of signal %d: %s",
                 WTERMSIG(c->wait_status), said);
    else if (c->kind == NOTICE_COMMAND)
        snprintf(c->outcome, sizeof c->outcome, "exit status %d: %s", exit_status, said);
    else
        snprintf(c->outcome, sizeof c->outcome, "%s", said[0] != '\0' ? said : "it says nothing");
}

static void on_closed(uv_handle_t *handle)
{
    struct channel *c = handle->data;
    if (--c->open > 0)
        return;
    if (c->notices->closing)
        return;
    judge(c);
    settle(c);
}

static void close_process(struct channel *c)
{
    reaper_close(&c->reaper, on_closed);
    uv_close((uv_handle_t *)&c->pipe, on_closed);
    uv_close((uv_handle_t *)&c->deadline, on_closed);
}

/* Of what it says the beginning is kept, and the rest is read all the same, so that it can end. */
static void take_said(struct channel *c, const char *bytes, size_t len)
{
    size_t room = sizeof c->said - 1 - c->said_n, n = len < room ? len : room;
    memcpy(c->said + c->said_n, bytes, n);
    c->said_n += n;
}

static void on_ended(struct reaper *reaper, int status)
{
    struct channel *c = reaper->signal.data;
    int fd;
    c->wait_status = status;
    /* What it said before it ended lies in the pipe, which a child of its own may keep open. */
    for (ssize_t n = 1; n > 0 && uv_fileno((uv_handle_t *)&c->pipe, &fd) == 0;) {
        n = read(fd, c->chunk, sizeof c->chunk);
        if (n > 0)
            take_said(c, c->chunk, (size_t)n);
    }
    close_process(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct channel *c = handle->data;
    (void)suggested;
    *ret = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_said(uv_stream_t *pipe, ssize_t n, const uv_buf_t *bytes)
{
    struct channel *c = pipe->data;
    if (n > 0)
        take_said(c, bytes->base, (size_t)n);
    else if (n < 0)
        uv_read_stop(pipe);
}

static void on_deadline(uv_timer_t *timer)
{
    struct channel *c = timer->data;
    c->late = true;
    if (c->reaper.pid > 0)
        kill(-c->reaper.pid, SIGKILL);
}

static void follow(struct channel *c)
{
    uv_loop_t *loop = work_loop(c->notices->work);
    int seconds = c->kind == NOTICE_COMMAND ? NOTICES_PROGRAM_S : NOTICES_DELIVERY_S;
    c->late = false;
    c->said_n = 0;
    c->open = 3;
    c->pipe.data = c->deadline.data = c;
    uv_pipe_init(loop, &c->pipe, 0);
    uv_pipe_open(&c->pipe, c->started.said);
    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_said);
    uv_timer_init(loop, &c->deadline);
    uv_timer_start(&c->deadline, on_deadline, (uint64_t)seconds * 1000, 0);
    reaper_watch(&c->reaper, loop, c->started.pid, on_ended);
    c->reaper.signal.data = c;
}

static void start_done(struct job *job)
{
    struct channel *c = job->data;
    if (job->status != 0) {
        fail(c, job->err.message);
        return;
    }
    follow(c);
    if (c->notices->closing) {
        on_deadline(&c->deadline);
        close_process(c);
    }
}

static int spawn(struct channel *c, const char *const *args, int in, struct err *err)
{
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL
    };
    struct program program = {
        .path = args[0], .args = args, .env = env, .folder = "/", .in = in, .out = -1
    };
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_errno(err, ERR_STORAGE, "can't make a pipe");
    program.err = ends[1];
    int code = program_start(&program, &c->started.pid);
    close(ends[1]);
    c->started.said = ends[0];
    if (code == 0)
        return 0;
    close(ends[0]);
    errno = code;
    return err_errno(err, ERR_STORAGE, "can't start %s", args[0]);
}

static int start_command(struct channel *c, struct err *err)
{
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)c->notice.experiment);
    const char *const args[] = { c->notices->options->on_end, id, NULL };
    return spawn(c, args, -1, err);
}

static int start_webhook(struct channel *c, struct err *err)
{
    const char *const args[] = { c->notices->deliver, "deliver", NULL };
    int ends[2];
    char *request =
        webhook_request(c->notices->options, c->notices->secret, c->delivery, c->body, err);
    if (request == NULL)
        return -err->code;
    size_t len = strlen(request);
    int status = len > REQUEST_BYTES
                     ? err_set(err, ERR_TOO_LARGE, "its name, notes and tags are too long")
                 : pipe2(ends, O_CLOEXEC) != 0 ? err_errno(err, ERR_STORAGE, "can't make a pipe")
                                               : 0;
    if (status == 0) { /* a pipe holds 64 KiB: this waits for nobody */
        if (write(ends[1], request, len) != (ssize_t)len)
            status = err_errno(err, ERR_STORAGE, "can't hand a notice over");
        close(ends[1]);
        if (status == 0)
            status = spawn(c, args, ends[0], err);
        close(ends[0]);
    }
    free(request);
    return status;
}

static int start_run(struct job *job, struct store *store, struct err *err)
{
    struct channel *c = job->data;
    (void)store;
    return c->kind == NOTICE_COMMAND ? start_command(c, err) : start_webhook(c, err);
}

/* the round */

static void on_sleep(uv_timer_t *timer)
{
    claim(timer->data);
}

static void sleep_until(struct channel *c, int64_t wall_ms)
{
    int64_t ms = wall_ms - clock_wall_ms();
    uv_timer_start(&c->sleep, on_sleep, ms > 0 ? (uint64_t)ms : 1, 0);
}

static void claimed(struct job *job)
{
    struct channel *c = job->data;
    if (job->status == 0 && c->notice.id != 0 && !c->notices->closing) {
        if (c->kind == NOTICE_WEBHOOK && c->body == NULL) {
            c->notice.attempts = NOTICES_TRIES;
            fail(c, "the experiment was deleted");
            return;
        }
        c->job = (struct job){ .run = start_run, .done = start_done, .data = c };
        work_pool(c->notices->work, &c->job);
        return;
    }
    c->busy = false;
    if (c->notices->closing)
        return;
    if (job->status != 0)
        sleep_until(c, clock_wall_ms() + TROUBLE_MS);
    else if (c->kicked)
        claim(c);
    else if (c->notice.next_at != 0)
        sleep_until(c, c->notice.next_at);
}

static void claim(struct channel *c)
{
    if (!c->on || c->busy || c->notices->closing)
        return;
    uv_timer_stop(&c->sleep);
    c->busy = true;
    c->kicked = false;
    c->job = (struct job){ .run = claim_run, .done = claimed, .data = c };
    work_write(c->notices->work, &c->job);
}

/* An end was noted in a transaction that may not be over: what the writer does next comes behind it.
 */
static void on_noted(uv_async_t *async)
{
    struct notices *n = async->data;
    for (size_t i = 0; i < NOTICE_CHANNELS && n->work != NULL; i++) {
        n->channels[i].kicked = true;
        claim(&n->channels[i]);
    }
}

int notices_collect(struct notices *n, struct store *store, struct err *err)
{
    int64_t *ids = NULL;
    size_t ids_n = 0;
    if (n == NULL)
        return 0;
    int status = store_ended_now(store, &ids, &ids_n, err);
    for (size_t i = 0; i < ids_n; i++)
        for (enum notice_channel k = 0; k < NOTICE_CHANNELS; k++)
            if (status == 0 && n->channels[k].on)
                status = store_notice_add(store, ids[i], k, err);
    free(ids);
    if (status == 0 && ids_n > 0)
        uv_async_send(&n->noted);
    return status;
}

static int check(struct notices *n, const struct datadir *datadir, struct err *err)
{
    const struct options *o = n->options;
    if (o->on_end[0] != '\0' && access(o->on_end, X_OK) != 0)
        return err_errno(err, ERR_USAGE, "--on-end: can't start %s", o->on_end);
    if (o->webhook[0] == '\0')
        return 0;
    machine_find_program("ablate", n->deliver);
    if (access(n->deliver, X_OK) != 0)
        return err_set(
            err, ERR_USAGE,
            "--webhook: it is sent by the program ablate, which is neither beside ablated "
            "nor in PATH");
    return webhook_secret(o, datadir, n->secret, err);
}

int notices_new(uv_loop_t *loop, const struct options *options, const struct datadir *datadir,
                struct notices **ret, struct err *err)
{
    bool on[NOTICE_CHANNELS] = { options->on_end[0] != '\0', options->webhook[0] != '\0' };
    *ret = NULL;
    if (!on[NOTICE_COMMAND] && !on[NOTICE_WEBHOOK])
        return 0;
    struct notices *n = calloc(1, sizeof *n);
    if (n == NULL)
        return err_no_memory(err, "the notices");
    n->options = options;
    int status = check(n, datadir, err);
    if (status != 0) {
        free(n);
        return status;
    }
    uv_async_init(loop, &n->noted, on_noted);
    n->noted.data = n;
    for (enum notice_channel k = 0; k < NOTICE_CHANNELS; k++) {
        n->channels[k] = (struct channel){ .notices = n, .kind = k, .on = on[k] };
        uv_timer_init(loop, &n->channels[k].sleep);
        n->channels[k].sleep.data = &n->channels[k];
    }
    *ret = n;
    return 0;
}

void notices_attach(struct notices *n, struct work *work)
{
    if (n == NULL)
        return;
    n->work = work;
    on_noted(&n->noted);
}

void notices_stop(struct notices *n)
{
    if (n == NULL || n->closing)
        return;
    n->closing = true;
    for (enum notice_channel k = 0; k < NOTICE_CHANNELS; k++) {
        struct channel *c = &n->channels[k];
        uv_close((uv_handle_t *)&c->sleep, NULL);
        if (c->open == 3 && !uv_is_closing((uv_handle_t *)&c->pipe)) {
            on_deadline(&c->deadline);
            close_process(c);
        }
    }
}

void notices_close(struct notices *n)
{
    notices_stop(n);
    if (n != NULL)
        uv_close((uv_handle_t *)&n->noted, NULL);
}

void notices_free(struct notices *n)
{
    for (enum notice_channel k = 0; n != NULL && k < NOTICE_CHANNELS; k++)
        free(n->channels[k].body);
    free(n);
}
