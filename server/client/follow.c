/* A call a connection; between two of them a wait. */
#include "server/client/follow.h"

#include "server/client/args.h"

#include "common/base/clock.h"
#include "common/json/jsonx.h"
#include "server/client/sse.h"
#include "server/client/terminal/say.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum { NAP_MS = 100, WAIT_FIRST_MS = 200, WAIT_MAX_MS = 5000, PATIENCE_S = 600 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void follow_catch(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool follow_interrupted(void)
{
    return interrupted != 0;
}

static bool passes(int status)
{
    return status == -ERR_UNAVAILABLE || status == -ERR_TOO_MANY_REQUESTS ||
           status == -ERR_TOO_MANY_CONNECTIONS || status == -ERR_TOO_SLOW;
}

bool follow_wait(struct call *call, int status, const struct err *why, int64_t *begun_ms)
{
    const struct timespec nap = { 0, NAP_MS * 1000000L };
    int64_t patience_s = PATIENCE_S, now = clock_mono_ms();
    option_number(call, OPTION_PATIENCE, 0, 31536000, PATIENCE_S, &patience_s, NULL);
    if (!passes(status) || interrupted)
        return false;
    if (*begun_ms == 0) {
        *begun_ms = now > 0 ? now : 1;
        if (patience_s > 0)
            say_aside("%s; trying again for up to %lld s", why->message, (long long)patience_s);
    }
    int64_t waited = now - *begun_ms;
    if (waited >= patience_s * 1000)
        return false;
    int64_t pause = waited < WAIT_FIRST_MS ? WAIT_FIRST_MS
                    : waited < WAIT_MAX_MS ? waited
                                           : WAIT_MAX_MS;
    for (int64_t end = now + pause; clock_mono_ms() < end && !interrupted;)
        nanosleep(&nap, NULL);
    struct where where;
    if (call->where.folder[0] != '\0' && where_find(&call->where_options, &where, NULL) == 0) {
        call->where = where;
        http_move(call->http, &where);
    }
    return !interrupted;
}

struct stream {
    struct follow *follow;
    struct events events;
    int64_t trouble_ms;
    const char *broken;
};

static int on_event(void *arg, const char *name, const char *data, size_t len)
{
    struct stream *s = arg;
    json_t *value = NULL;
    if (jsonx_load(data, len, &value, NULL) != 0) {
        s->broken = "an event isn't JSON";
        return -1;
    }
    s->trouble_ms = 0;
    int status = s->follow->take(s->follow->arg, s->events.last, name, value);
    json_decref(value);
    return status;
}

static int on_bytes(void *arg, const struct http_reply *reply, const char *bytes, size_t len)
{
    struct stream *s = arg;
    (void)reply;
    int status = events_feed(&s->events, bytes, len);
    if (status == -1 && s->broken == NULL && (s->events.line.failed || s->events.data.failed))
        s->broken = "an event has no end";
    return status;
}

static int on_tick(void *arg, int64_t sent, int64_t received)
{
    const struct stream *s = arg;
    (void)sent;
    (void)received;
    if (s->follow->tick != NULL)
        s->follow->tick(s->follow->arg);
    return interrupted;
}

int follow_events(struct follow *follow, struct err *err)
{
    struct stream s = { .follow = follow };
    int status;
    events_init(&s.events, on_event, &s);
    s.events.last = follow->after;
    do {
        char last[60];
        struct err why = { 0 };
        snprintf(last, sizeof last, "Last-Event-ID: %lld", (long long)s.events.last);
        const struct http_call one = { .method = "GET",
                                       .path = follow->path,
                                       .headers = { s.events.last >= 0 ? last : NULL },
                                       .take = on_bytes,
                                       .tick = on_tick,
                                       .arg = &s,
                                       .stream = true };
        events_again(&s.events);
        status = http_call(follow->call->http, &one, NULL, &why);
        follow->after = s.events.last;
        if (s.broken != NULL) {
            status = err_set(err, ERR_PROTOCOL, "the event stream isn't acceptable: %s", s.broken);
            break;
        }
        if (interrupted || http_ended(follow->call->http)) {
            status = 0;
            break;
        }
        if (status ==
            0) /* a stream has no end of its own: the daemon ends, or dropped a slow reader */
            status = err_set(&why, ERR_UNAVAILABLE, "the event stream has ended");
        if (err != NULL)
            *err = why;
    } while (follow_wait(follow->call, status, err, &s.trouble_ms));
    events_done(&s.events);
    return interrupted ? 0 : status;
}
