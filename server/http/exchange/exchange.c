/* An exchange from its beginning to its end: what microhttpd calls. What is done for a request in
 * between is exchange_working.c's. */
#include "server/http/exchange/exchange.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/base/options.h"
#include "server/http/exchange/exchange_body.h"
#include "server/http/exchange/exchange_remains.h"
#include "server/http/exchange/exchange_respond.h"
#include "server/http/exchange/exchange_sending.h"
#include "server/http/exchange/exchange_turns.h"
#include "server/http/gate.h"
#include "server/http/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_ALIVE_MS = 120000 }; /* between requests */

/* Beginning and end. */

void *exchange_begin(void *all, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    ((struct exchanges *)all)->calls++;
    if (x == NULL)
        return NULL;
    x->all = all;
    x->req.app = x->all->app;
    x->req.exchange = x;
    x->connection = connection;
    x->peer = info != NULL ? info->socket_context : NULL;
    x->upload_fd = -1;
    x->method[0] = '?'; /* until the header is here */
    x->uri = strdup(uri);
    x->begun_ms = clock_mono_ms();
    buf_init(&x->body, ENDPOINT_BODY_MAX);
    reply_init(&x->reply);
    if (x->peer != NULL)
        x->peer->exchange = x;
    peer_wait_header(x->peer, &x->all->app->options->limits);
    x->next = x->all->first;
    if (x->next != NULL)
        x->next->previous = x;
    x->all->first = x;
    return x;
}

void exchange_completed(void *all, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    (void)connection;
    struct exchange *x = *context;
    *context = NULL;
    ((struct exchanges *)all)->calls++;
    if (x == NULL)
        return;
    char client[AUTH_CLIENT_BYTES];
    bool by_parser =
        code == MHD_REQUEST_TERMINATED_WITH_ERROR || code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    if (x->path == NULL && x->state == EXCHANGE_NEW && by_parser) {
        err_set(&x->err, ERR_BAD_REQUEST, "not HTTP");
        exchange_refused(x);
    }
    auth_client(x, client);
    log_write(LOG_DEBUG, &(struct log_about){ .client = client }, "%s %.*s: %d%s, %lld ms",
              x->method, exchange_shown(x), x->uri, x->state == EXCHANGE_SENT ? x->reply.status : 0,
              code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : " (cut off)",
              (long long)(clock_mono_ms() - x->begun_ms));
    peer_wait(x->peer, KEEP_ALIVE_MS);
    exchange_our_turn(x, false);
    if (x->peer != NULL)
        x->peer->exchange = NULL;
    if (x->linger && x->peer != NULL)
        linger_begin(&x->all->lingering, x->peer->fd);
    sending_end(x);
    remains_discard(x);
    if (x->req.state != NULL)
        (x->req.state_free != NULL ? x->req.state_free : free)(x->req.state);
    reply_done(&x->reply);
    free(x->uri);
    free(x->path);
    if (x->previous != NULL)
        x->previous->next = x->next;
    else
        x->all->first = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
    free(x);
}

/* Many requests may come at once, and microhttpd would answer them all in one run. */
static bool put_off(struct exchange *x)
{
    if (x->put_off || uv_hrtime() < x->all->until_ns)
        return false;
    x->put_off = true;
    exchange_suspend(x);
    exchange_resume(x);
    return true;
}

/* A refused body of a size that we can bear is read to its end, so that the connection goes on;
 * else the reply is the last thing on it, as is any that microhttpd is given in its first call. */
static enum MHD_Result refuse(struct exchange *x, int status)
{
    bool whole = x->length == 0, bearable = x->length <= EXCHANGE_DRAIN_BYTES;
    bool last = x->close || (!whole && (!bearable || x->expects));
    if (!whole)
        body_refuse(x);
    if (whole || last)
        exchange_ready(x, status);
    if (!last)
        return MHD_YES;
    x->linger = !whole || x->close;
    return exchange_respond(x);
}

/* What follows the path that the daemon is reached below. A proxy may have taken it away, and who
 * speaks to the daemon itself may leave it out. */
static const char *below(const char *path, const char *url)
{
    size_t len = strlen(path);
    return strncmp(url, path, len) == 0 && url[len] == '/' ? url + len : url;
}

/* The first call: the header is here, nothing of the body. */
static enum MHD_Result take_header(struct exchange *x, const char *url, const char *method,
                                   const char *version)
{
    snprintf(x->method, sizeof x->method, "%s", method);
    x->head = strcmp(method, "HEAD") == 0;
    x->path = strdup(below(x->req.app->options->public_path, url));
    if (x->path == NULL)
        return MHD_NO;
    int status = gate_check(x, method, version, &x->err);
    if (x->peer != NULL && x->peer->over) {
        x->close = true;
        reply_header(&x->reply, "Retry-After", "10");
        status = err_set(&x->err, ERR_TOO_MANY_CONNECTIONS,
                         "an address may have %lld connections at a time",
                         (long long)x->req.app->options->limits.connections_per_address);
    }
    if (status == 0)
        status = route_find(x, &x->err);
    if (status == 0 && x->state == EXCHANGE_READY) /* OPTIONS, or a file of the page */
        return MHD_YES;
    if (status == 0)
        status = auth_check(x, &x->err);
    if (status == 0)
        status = gate_body(x, &x->err);
    if (status < 0)
        return refuse(x, status);
    body_begin(x);
    return MHD_YES;
}

enum MHD_Result exchange_access(void *all, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **context)
{
    (void)connection;
    struct exchange *x = *context;
    ((struct exchanges *)all)->calls++;
    if (x == NULL || x->uri == NULL || x->state == EXCHANGE_SENT) /* answered past microhttpd */
        return MHD_NO;
    if (x->path == NULL)
        return put_off(x) ? MHD_YES : take_header(x, url, method, version);
    x->heard = true;
    if (*upload_data_size > 0)
        return body_take(x, upload_data, upload_data_size);
    if (x->state == EXCHANGE_BODY || x->state == EXCHANGE_REFUSED)
        body_end(x);
    return x->state == EXCHANGE_READY ? exchange_respond(x) : MHD_YES;
}
