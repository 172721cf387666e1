/* Driving microhttpd from libuv: when it is run, which connections are taken, who is late, and how
 * it is closed. What it calls for a request is exchange.c's. */
#include "server/http/httpd.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/base/watch.h"
#include "server/http/exchange/exchange.h"
#include "server/http/exchange/exchange_cut.h"
#include "server/http/exchange/exchange_ending.h"
#include "server/http/exchange/exchange_turns.h"
#include "server/http/listener.h"
#include "server/http/stalled.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POOL_BYTES = 32768,      /* of one connection, at least: its header, its upload buffer */
    IDLE_S = 120,            /* inactivity */
    SWEEP_MS = 1000,         /* how often the slow are looked for */
    LOOK_MS = 20,            /* how often, at most, those that don't get on */
    RESUMES = 64,            /* connections that go on in a turn; */
    REQUESTS_MS = 3,         /* how far into a turn requests are begun */
    IN_VAIN = 32,            /* runs, one after the other, that called nothing of ours: */
    PAUSE_MS = 2,            /* it is given some time, whatever it asks for */
    CLOSING_MS = 5,          /* turns of closing */
    SPARE_DESCRIPTORS = 128, /* for files, the store, workers */
    CONNECTIONS_MAX = 16384,
};

struct httpd {
    uv_loop_t *loop;
    struct app *app;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_idle_t again; /* active: microhttpd has more to do */
    uv_timer_t timer, sweep;
    int epoll_fd, listen_fd, port;
    struct peers peers;
    size_t handles;
    struct exchanges exchanges;
    int64_t looked_ms;
    unsigned in_vain;
    bool gone; /* a connection was closed in this run */
    bool closing;
    void (*closed)(void *);
    void *closed_arg;
};

/* Running microhttpd: once a turn of the loop, in which it reads from each connection once and
 * answers one request of each, so that what waits in one of them holds up nothing else. An idle
 * handle is what keeps the loop from sleeping while there is more: a timer of 0 ms, armed by its
 * own callback, would be called again and again in the same turn. */

static void on_again(uv_idle_t *again);

static void on_timer(uv_timer_t *timer)
{
    uv_idle_start(&((struct httpd *)timer->data)->again, on_again);
}

/* Among those that have more to do may be one that never gets on. */
static void look_for_stuck(struct httpd *httpd)
{
    int64_t now = clock_mono_ms();
    if (now - httpd->looked_ms < LOOK_MS)
        return;
    httpd->looked_ms = now;
    exchanges_unstick(&httpd->exchanges);
}

static void run(struct httpd *httpd)
{
    MHD_UNSIGNED_LONG_LONG wait = 0;
    uint64_t calls = httpd->exchanges.calls;
    struct watch_mark mark = watch_enter("http", "");
    httpd->gone = false;
    httpd->exchanges.until_ns = uv_hrtime() + REQUESTS_MS * 1000000ULL;
    bool others = exchanges_resume(&httpd->exchanges, RESUMES);
    MHD_run(httpd->daemon);
    watch_leave(mark);
    bool waits = MHD_get_timeout(httpd->daemon, &wait) == MHD_YES, more = waits && wait == 0;
    others |= httpd->exchanges.resumed != NULL;
    httpd->in_vain = more && httpd->exchanges.calls == calls ? httpd->in_vain + 1 : 0;
    if (more)
        look_for_stuck(httpd);
    if (httpd->in_vain > IN_VAIN) {
        more = false;
        wait = PAUSE_MS;
    }
    if (waits && !more)
        uv_timer_start(&httpd->timer, on_timer, wait, 0);
    else
        uv_timer_stop(&httpd->timer);
    /* At its limit microhttpd doesn't watch for connections, and whether there is room again it
     * only sees when it is run the next time. */
    if (httpd->gone || more || others)
        uv_idle_start(&httpd->again, on_again);
    else
        uv_idle_stop(&httpd->again);
}

static void on_again(uv_idle_t *again)
{
    run(again->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct httpd *httpd = poll->data;
    if (!uv_is_active((uv_handle_t *)&httpd->again)) /* else it is run in the next turn anyway */
        run(httpd);
}

/* Something was resumed, or is to end. */
static void run_soon(struct exchanges *exchanges)
{
    struct httpd *httpd =
        (struct httpd *)(void *)((char *)exchanges - offsetof(struct httpd, exchanges));
    if (!httpd->closing)
        uv_idle_start(&httpd->again, on_again);
}

/* Connections: who is late. */

static enum MHD_Result on_accept(void *arg, const struct sockaddr *address, socklen_t size)
{
    (void)size;
    struct httpd *httpd = arg;
    struct network from;
    char client[NETWORK_TEXT];
    if (!network_of(address, &from) || peers_welcome(&httpd->peers, &from))
        return MHD_YES;
    network_print(&from, client);
    refusals_note(&httpd->exchanges.refusals, ERR_TOO_MANY_CONNECTIONS, client, "a connection");
    return MHD_NO;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct httpd *httpd = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct network from = { 0 };
        network_of(
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
            &from);
        *context = peers_add(
            &httpd->peers, &from, connection,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
        peer_wait_header(*context, &httpd->app->options->limits);
        return;
    }
    httpd->gone = true;
    struct peer *peer = *context;
    void *exchange = peer != NULL ? peer->exchange : NULL;
    /* A request in which microhttpd (0.9.75) finds two mistakes, like a query of more parameters
     * than its pool can list, is let go of without a word. */
    if (exchange != NULL)
        exchange_completed(&httpd->exchanges, connection, &exchange,
                           MHD_REQUEST_TERMINATED_WITH_ERROR);
    if (peer != NULL)
        peers_remove(&httpd->peers, peer);
    *context = NULL;
}

/* A byte now and then keeps microhttpd's own timeout away, so a request has a deadline as a whole.
 * And of an end that arrives together with the last bytes microhttpd learns nothing, as its
 * descriptors are edge-triggered: such a connection would stay until its deadline. */
static void on_sweep(uv_timer_t *timer)
{
    struct httpd *httpd = timer->data;
    for (struct peer *peer = httpd->peers.first; peer != NULL; peer = peer->next)
        if (peer_is_late(peer) && peer->exchange != NULL)
            exchange_late(peer->exchange);
        else if (peer_is_late(peer) || peer_has_gone(peer))
            exchanges_cut(&httpd->exchanges, peer);
        else if (peer->exchange != NULL)
            exchange_look(peer->exchange);
    exchanges_recheck(&httpd->exchanges);
    refusals_sum_up(&httpd->exchanges.refusals);
}

static void on_mhd_log(void *arg, const char *format, va_list args)
{
    char line[500];
    (void)arg;
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    log_debug("http: %s", line);
}

static unsigned connection_limit(const struct limits *limits)
{
    struct rlimit files = { 0 };
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return SPARE_DESCRIPTORS;
    rlim_t most = files.rlim_cur > 2 * SPARE_DESCRIPTORS ? files.rlim_cur - SPARE_DESCRIPTORS
                                                         : files.rlim_cur / 2;
    if (limits->connections > 0 && most > (rlim_t)limits->connections)
        most = (rlim_t)limits->connections;
    return most < CONNECTIONS_MAX ? (unsigned)most : CONNECTIONS_MAX;
}

/* Half of the pool is for reading: a header that the gate refuses must fit. */
static size_t pool_bytes(const struct limits *limits)
{
    size_t twice = 2 * (size_t)limits->header_bytes;
    return twice > POOL_BYTES ? twice : POOL_BYTES;
}

int httpd_new(uv_loop_t *loop, struct app *app, int take_fd, struct httpd **ret, struct err *err)
{
    struct httpd *httpd = calloc(1, sizeof *httpd);
    if (httpd == NULL) {
        close(take_fd);
        return err_no_memory(err, "the HTTP server");
    }
    httpd->loop = loop;
    httpd->app = app;
    httpd->exchanges.app = app;
    httpd->peers.options = app->options;
    httpd->exchanges.lingering.loop = loop;
    httpd->exchanges.run_soon = run_soon;
    httpd->listen_fd = take_fd;
    int status = listener_open(take_fd, &httpd->port, err);
    if (status != 0) {
        close(take_fd);
        free(httpd);
        return status;
    }
    httpd->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, on_accept, httpd,
        exchange_access, &httpd->exchanges, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, httpd->listen_fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        httpd, MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, &httpd->exchanges,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &httpd->exchanges,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
        connection_limit(&app->options->limits), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        pool_bytes(&app->options->limits), MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (httpd->daemon == NULL) {
        close(httpd->listen_fd);
        free(httpd);
        return err_set(err, ERR_INTERNAL, "the HTTP server can't be started");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    httpd->epoll_fd = info->epoll_fd;
    uv_poll_init(loop, &httpd->poll, httpd->epoll_fd);
    uv_idle_init(loop, &httpd->again);
    uv_timer_init(loop, &httpd->timer);
    uv_timer_init(loop, &httpd->sweep);
    httpd->poll.data = httpd->again.data = httpd->timer.data = httpd->sweep.data = httpd;
    uv_poll_start(&httpd->poll, UV_READABLE, on_poll);
    uv_timer_start(&httpd->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    stalled_listen(httpd->listen_fd);
    *ret = httpd;
    return 0;
}

int httpd_port(const struct httpd *httpd)
{
    return httpd->port;
}

size_t httpd_connections(const struct httpd *httpd)
{
    return httpd->peers.n;
}

bool httpd_refused(const struct httpd *httpd, size_t i, const char **ret_reason, uint64_t *ret_n)
{
    return refusals_get(&httpd->exchanges.refusals, i, ret_reason, ret_n);
}

/* Closing. */

static void on_handle_closed(uv_handle_t *handle)
{
    struct httpd *httpd = handle->data;
    if (--httpd->handles > 0)
        return;
    void (*closed)(void *) = httpd->closed;
    void *arg = httpd->closed_arg;
    free(httpd);
    closed(arg);
}

/* microhttpd may only be stopped when nothing is suspended any more. */
static void on_closing(uv_timer_t *timer)
{
    struct httpd *httpd = timer->data;
    httpd->exchanges.until_ns = UINT64_MAX;
    exchanges_resume(&httpd->exchanges, SIZE_MAX);
    MHD_run(httpd->daemon);
    if (!exchanges_have_ended(&httpd->exchanges))
        return;
    uv_timer_stop(timer);
    linger_end_all(&httpd->exchanges.lingering);
    MHD_stop_daemon(httpd->daemon);
    httpd->handles = 4;
    uv_close((uv_handle_t *)&httpd->poll, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->again, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->timer, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->sweep, on_handle_closed);
}

void httpd_close(struct httpd *httpd, void (*closed)(void *), void *arg)
{
    httpd->closing = true;
    httpd->closed = closed;
    httpd->closed_arg = arg;
    stalled_listen(-1);
    uv_poll_stop(&httpd->poll);
    uv_idle_stop(&httpd->again);
    uv_timer_stop(&httpd->sweep);
    /* microhttpd still owns the socket that it accepts from; quiescing hands it back. */
    MHD_socket fd = MHD_quiesce_daemon(httpd->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    for (struct peer *peer = httpd->peers.first; peer != NULL; peer = peer->next)
        shutdown(peer->fd, SHUT_RD);
    exchanges_end(&httpd->exchanges);
    uv_timer_start(&httpd->timer, on_closing, 0, CLOSING_MS);
}
