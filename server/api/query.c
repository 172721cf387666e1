/* POST query: one read-only SELECT, in a process of its own (query/queries.h). */
#include "server/api/api.h"

#include "common/json/jsonx_fields.h"
#include "server/http/exchange/exchange_request.h"
#include "server/query/queries.h"
#include "server/store/store_params.h"
#include "server/store/store_query.h"

#include <stddef.h>
#include <stdlib.h>

static void query_free(void *arg)
{
    query_release(arg);
    free(arg);
}

int query_decode(struct request *req, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "sql",
          .type = JSONX_TEXT,
          .offset = offsetof(struct query, sql),
          .min = 1,
          .max = STORE_QUERY_SQL_MAX,
          .required = true },
        { .key = "limit",
          .type = JSONX_INT,
          .offset = offsetof(struct query, limit),
          .min = 1,
          .max = STORE_QUERY_ROWS,
          .preset = "1000" },
        { .key = "params", .type = JSONX_VALUE, .offset = offsetof(struct query, params) },
    };
    struct query *q = request_state(req, sizeof *q, query_free, err);
    if (q == NULL)
        return -ERR_NO_MEMORY;
    int status = jsonx_decode(req->body, fields, sizeof fields / sizeof *fields, q, "", err);
    return status == 0 ? store_params_check(q->params, err) : status;
}

static void query_done(struct query *q)
{
    request_done(q->data, q->status, &q->err);
}

static int query_wait(struct request *req, struct err *err)
{
    struct query *q = req->state;
    q->done = query_done;
    q->data = req;
    return query_begin(req->app->queries, q, err);
}

static void query_given_up(struct request *req)
{
    query_drop(req->state);
}

const struct waiting query_waiting = { query_wait, query_given_up };

int query_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct query *q = req->state;
    reply->body = q->reply;
    buf_init(&q->reply, 0);
    return 0;
}
