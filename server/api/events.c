/* GET events: server-sent events, as feed/stream.h makes them. */
#include "server/api/api.h"

#include "server/feed/stream.h"
#include "server/http/exchange/exchange_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct follow {
    struct stream_filter filter;
    int64_t after;
};

struct following {
    struct request *req;
    struct subscriber *subscriber;
};

static int take_ids(const struct request *req, const char *name, int64_t *ids, size_t *ret_n,
                    struct err *err)
{
    const char *text = request_arg(req, name);
    while (text != NULL && *text != '\0') {
        char *end;
        long long id = strtoll(text, &end, 10);
        if (end == text || id < 1 || (*end != ',' && *end != '\0'))
            return err_set(err, ERR_BAD_PARAMETER, "%s must be ids with commas between, not %.60s",
                           name, text);
        if (*ret_n == STREAM_FILTER_IDS)
            return err_set(err, ERR_BAD_PARAMETER, "%s takes at most %d ids", name,
                           STREAM_FILTER_IDS);
        ids[(*ret_n)++] = id;
        text = *end == ',' ? end + 1 : end;
    }
    return 0;
}

int events_decode(struct request *req, struct err *err)
{
    struct follow *f = request_state(req, sizeof *f, NULL, err);
    if (f == NULL)
        return -ERR_NO_MEMORY;
    int status = take_ids(req, "experiment", f->filter.experiments, &f->filter.experiments_n, err);
    if (status == 0)
        status = take_ids(req, "run", f->filter.runs, &f->filter.runs_n, err);
    if (status == 0)
        status = request_arg_int(req, "after", 0, INT64_MAX, -1, &f->after, err);
    if (status != 0 || req->last_event_id[0] == '\0')
        return status;
    char *end;
    errno = 0;
    long long last = strtoll(req->last_event_id, &end, 10);
    if (*end != '\0' || last < 0 || errno != 0)
        return err_set(err, ERR_BAD_PARAMETER, "Last-Event-ID must be the id of an event");
    f->after = last; /* a reconnection knows better than the address it was opened with */
    return 0;
}

static long follow_read(void *source, char *to, size_t max)
{
    struct following *f = source;
    return f->subscriber != NULL ? (long)subscriber_read(f->subscriber, to, max) : -1;
}

static void follow_closed(void *source)
{
    struct following *f = source;
    subscriber_free(f->subscriber);
    free(f);
}

static void follow_beat(void *source)
{
    struct following *f = source;
    if (f->subscriber != NULL)
        subscriber_beat(f->subscriber);
}

static void on_wake(void *arg)
{
    request_wake(((struct following *)arg)->req);
}

static void on_drop(void *arg)
{
    struct following *f = arg;
    struct subscriber *subscriber = f->subscriber;
    f->subscriber = NULL;
    subscriber_free(subscriber);
    request_drop(f->req);
}

int events_encode(struct request *req, struct reply *reply, struct err *err)
{
    const struct follow *follow = req->state;
    struct following *f = calloc(1, sizeof *f);
    if (f == NULL)
        return err_no_memory(err, "the request");
    f->req = req;
    int status = stream_subscribe(req->app->stream, follow->after, &follow->filter, on_wake,
                                  on_drop, f, &f->subscriber, err);
    if (status != 0) {
        free(f);
        return status;
    }
    reply->content_type = "text/event-stream";
    reply->source = (struct reply_source){ follow_read, follow_closed, f, .beat = follow_beat };
    return 0;
}
