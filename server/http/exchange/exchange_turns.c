/* Whose turn it is: a connection is suspended while we, and not its peer, are to do something. */
#include "server/http/exchange/exchange_turns.h"

#include "common/base/log.h"
#include "server/base/watch.h"

#include <stdio.h>
#include <string.h>

int exchange_shown(const struct exchange *x)
{
    size_t len = x->uri != NULL ? strcspn(x->uri, "?") : 0;
    return len < 200 ? (int)len : 200;
}

void exchange_our_turn(const struct exchange *x, bool ours)
{
    if (x->peer != NULL)
        x->peer->ours = ours;
}

void exchange_refused(struct exchange *x)
{
    char client[AUTH_CLIENT_BYTES], what[256];
    auth_client(x, client);
    snprintf(what, sizeof what, "%s %.*s", x->method, exchange_shown(x), x->uri);
    refusals_note(&x->all->refusals, x->err.code, client, what);
}

void exchange_suspend(struct exchange *x)
{
    x->suspended = true;
    exchange_our_turn(x, true);
    MHD_suspend_connection(x->connection);
}

void exchange_resume(struct exchange *x)
{
    struct exchanges *all = x->all;
    if (!x->suspended || x->resuming)
        return;
    x->resuming = true;
    x->resume_next = NULL;
    if (all->resumed == NULL)
        all->resumed_end = &all->resumed;
    *all->resumed_end = x;
    all->resumed_end = &x->resume_next;
    all->run_soon(all);
}

bool exchanges_resume(struct exchanges *all, size_t most)
{
    for (struct exchange *x; most > 0 && (x = all->resumed) != NULL; most--) {
        all->resumed = x->resume_next;
        x->suspended = x->resuming = false;
        exchange_our_turn(x, x->state >= EXCHANGE_WORKING);
        MHD_resume_connection(x->connection);
    }
    return all->resumed != NULL;
}

static void pool_run(uv_work_t *work)
{
    struct exchange *x = work->data;
    x->pool_run(x);
}

static void pool_done(uv_work_t *work, int status)
{
    (void)status; /* nobody cancels */
    struct exchange *x = work->data;
    struct watch_mark mark =
        watch_enter("end on the pool", x->req.endpoint != NULL ? x->req.endpoint->path : "");
    x->all->waiting--;
    if (x->pool_done != NULL)
        x->pool_done(x);
    exchange_resume(x);
    watch_leave(mark);
}

void exchange_pool(struct exchange *x, void (*run)(struct exchange *),
                   void (*done)(struct exchange *))
{
    x->pool.data = x;
    x->pool_run = run;
    x->pool_done = done;
    x->all->waiting++;
    if (!x->suspended)
        exchange_suspend(x);
    uv_queue_work(work_loop(x->req.app->work), &x->pool, pool_run, pool_done);
}

void exchange_ready(struct exchange *x, int status)
{
    x->state = EXCHANGE_READY;
    exchange_our_turn(x, true);
    if (status >= 0)
        return;
    if (err_http_status(x->err.code) >= 500 && !x->left)
        log_error("%s %.*s: %s", x->method, exchange_shown(x), x->uri, x->err.message);
    exchange_refused(x);
    reply_problem(&x->reply, &x->err);
}
