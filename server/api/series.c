/* GET runs/{id}/metrics: series as points, or as buckets that stand for more points than were
 * asked. */
#include "server/api/api.h"

#include "common/json/jsonx_dump.h"
#include "server/http/exchange/exchange_request.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_runs.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 64, POINTS_MAX = 100000 };

struct curves {
    struct metric_query query;
    char *list; /* owned: the names, cut */
    const char *names[NAMES_MAX];
    struct metric_series *series;
    size_t n;
};

static void curves_free(void *arg)
{
    struct curves *c = arg;
    metric_series_free(c->series, c->n);
    free(c->list);
    free(c);
}

int metrics_decode(struct request *req, struct err *err)
{
    struct curves *c = request_state(req, sizeof *c, curves_free, err);
    if (c == NULL)
        return -ERR_NO_MEMORY;
    int status = request_id(req, 0, &c->query.run, err);
    if (status == 0)
        status = request_arg_int(req, "from", 0, INT64_MAX, 0, &c->query.from, err);
    if (status == 0)
        status = request_arg_int(req, "to", 0, INT64_MAX, -1, &c->query.to, err);
    if (status == 0)
        status = request_arg_int(req, "points", 0, POINTS_MAX, 2000, &c->query.points, err);
    if (status == 0 && c->query.to >= 0 && c->query.to < c->query.from)
        status = err_set(err, ERR_BAD_PARAMETER, "to must not be less than from");
    const char *names = request_arg(req, "names");
    if (status != 0 || names == NULL)
        return status;
    if ((c->list = strdup(names)) == NULL)
        return err_no_memory(err, "the request");
    for (char *save, *name = strtok_r(c->list, ",", &save); name != NULL;
         name = strtok_r(NULL, ",", &save)) {
        if (c->query.names_n == NAMES_MAX)
            return err_set(err, ERR_BAD_PARAMETER, "names takes at most %d names", NAMES_MAX);
        c->names[c->query.names_n++] = name;
    }
    c->query.names = c->names;
    return 0;
}

int metrics_read(struct request *req, struct store *store, struct err *err)
{
    struct curves *c = req->state;
    struct run_row run;
    int status = store_run_get(store, c->query.run, &run, err);
    if (status != 0)
        return status;
    run_row_done(&run);
    return store_metrics_get(store, &c->query, &c->series, &c->n, err);
}

/* Curves can be long: they are written as text, without a tree of JSON values in between. */
static void add_series(struct buf *to, const struct metric_series *s)
{
    jsonx_dump_string(s->name, strlen(s->name), to);
    buf_addf(to, ":{\"raw\":%lld,\"%s\":[", (long long)s->raw,
             s->buckets != NULL ? "buckets" : "points");
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0)
            buf_addc(to, ',');
        if (s->buckets == NULL) {
            buf_addf(to, "[%lld,", (long long)s->points[i].step);
            jsonx_dump_double(s->points[i].value, to);
            buf_addc(to, ']');
            continue;
        }
        const struct metric_bucket *b = &s->buckets[i];
        const double values[] = { b->min, b->max, b->mean };
        buf_addf(to, "[%lld,%lld", (long long)b->first_step, (long long)b->last_step);
        for (size_t j = 0; j < 3; j++) {
            buf_addc(to, ',');
            jsonx_dump_double(values[j], to);
        }
        buf_addf(to, ",%lld,%lld]", (long long)b->count, (long long)b->nonfinite);
    }
    buf_adds(to, "]}");
}

int metrics_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct curves *c = req->state;
    buf_addf(&reply->body, "{\"run\":%lld,\"series\":{", (long long)c->query.run);
    for (size_t i = 0; i < c->n; i++) {
        if (i > 0)
            buf_addc(&reply->body, ',');
        add_series(&reply->body, &c->series[i]);
    }
    buf_addf(&reply->body, "},\"as_of\":%lld}\n", (long long)req->as_of);
    return 0;
}
