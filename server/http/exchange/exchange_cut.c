/* Before a request is whole microhttpd takes no reply to it: what cuts it short then answers past
 * microhttpd. */
#include "server/http/exchange/exchange_cut.h"

#include "common/base/log.h"
#include "server/http/exchange/exchange_request.h"
#include "server/http/exchange/exchange_respond.h"
#include "server/http/exchange/exchange_sending.h"
#include "server/http/exchange/exchange_turns.h"

#include <stdlib.h>
#include <sys/ioctl.h>

static bool is_coming(const struct exchange *x)
{
    return x->path == NULL || x->state == EXCHANGE_BODY || x->state == EXCHANGE_REFUSED;
}

void exchanges_cut(struct exchanges *all, const struct peer *peer)
{
    peer_end(peer);
    all->run_soon(all);
}

/* Answers past microhttpd and ends the connection: possible only while the request comes in. */
static void cut(struct exchange *x, int status)
{
    exchange_ready(x, status);
    exchange_respond_past(x);
    exchanges_cut(x->all, x->peer);
}

/* What the pool is doing for it ends first. */
void exchange_late(struct exchange *x)
{
    bool coming = is_coming(x);
    if (x->suspended && coming)
        return;
    if (coming)
        cut(x, err_set(&x->err, ERR_TOO_SLOW, "the %s took longer than a request may",
                       x->path == NULL ? "header" : "body"));
    else
        exchanges_cut(x->all, x->peer);
}

static bool is_stuck(struct exchange *x)
{
    int unread = 0;
    bool waits = ioctl(x->peer->fd, FIONREAD, &unread) == 0 && unread > 0;
    bool stuck = waits && unread == x->unread && !x->heard;
    x->unread = unread;
    x->heard = false;
    return stuck;
}

void exchanges_unstick(struct exchanges *all)
{
    for (struct exchange *x = all->first; x != NULL; x = x->next)
        if (x->peer != NULL && !x->suspended && is_coming(x) && is_stuck(x))
            cut(x, err_set(&x->err, ERR_BAD_REQUEST,
                           "the line between two chunks of the body is too long"));
}

/* One that has closed looks like one that has ended its own side and still reads, until it is sent
 * something: that is answered by a reset, or read. */
static void look_at_stream(struct exchange *x)
{
    if (peer_is_cut_off(x->peer)) {
        x->left = true;
        request_drop(&x->req);
    } else if (!x->asked && peer_has_left(x->peer)) {
        x->asked = true;
        sending_beat(x);
    }
}

void exchange_look(struct exchange *x)
{
    if (x->state == EXCHANGE_SENT && sending_sleeps(x))
        look_at_stream(x);
    if (!x->waits || x->left || !peer_has_left(x->peer))
        return;
    log_info("%s %.*s: its client has left", x->method, exchange_shown(x), x->uri);
    x->left = true;
    x->req.endpoint->waiting->given_up(&x->req);
}

void exchanges_recheck(struct exchanges *all)
{
    auth_refresh(all->app->auth, NULL); /* a folder that is away drops nobody */
    for (struct exchange *x = all->first, *next; x != NULL; x = next) {
        next = x->next;
        if ((x->state == EXCHANGE_SENT || x->waits) && !auth_grant_holds(all->app->auth, &x->grant))
            request_drop(&x->req);
    }
}
