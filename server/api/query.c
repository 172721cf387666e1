/* POST query: one read-only SELECT (store/store_query.h). */
#include "server/api/api.h"

#include "common/jsonx.h"
#include "server/datadir.h"
#include "server/store/store_query.h"

#include <stddef.h>
#include <stdlib.h>

struct query {
    const char *sql; /* borrowed from the body */
    int64_t limit;
    json_t *result;
};

static void query_free(void *arg)
{
    struct query *q = arg;
    json_decref(q->result);
    free(q);
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
    };
    struct query *q = request_state(req, sizeof *q, query_free, err);
    if (q == NULL)
        return -ERR_NO_MEMORY;
    return jsonx_decode(req->body, fields, 2, q, "", err);
}

int query_read(struct request *req, struct store *store, struct err *err)
{
    (void)store;
    struct query *q = req->state;
    char path[PATH_MAX];
    datadir_path(req->app->datadir, path, "ablate.db");
    return store_query_run(path, q->sql, q->limit, &q->result, err);
}

int query_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct query *q = req->state;
    reply_json(reply, 200, q->result, req->as_of);
    q->result = NULL;
    return 0;
}
