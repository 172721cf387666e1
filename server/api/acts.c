/* POST runs: one thing asked of many runs, which a filter finds or a list names: cancel, retry, another
 * priority. Which runs are meant is found before anything changes; they are changed in slices, and a
 * repeated Idempotency-Key goes on where the first request stopped. */
#include "server/api/api.h"

#include "common/base/digest.h"
#include "common/json/jsonx_fields.h"
#include "server/http/exchange/exchange_request.h"
#include "server/objects/objects.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_acts.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/runs/store_transitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRIORITY_MOST = 1000, FILTER_BYTES = 2000 };

struct act_in {
    int action;
    const char *filter; /* in the body */
    json_t *ids, *priority;
};
struct act_state {
    struct act_in in;
    struct run_act act;
    char digest[DIGEST_HEX];
};
#define AT(m) .key = #m, .offset = offsetof(struct act_in, m)
static const struct jsonx_field act_fields[] = {
    { AT(action), .type = JSONX_ENUM, .choices = act_names, .required = true },
    { AT(filter), .type = JSONX_TEXT, .max = FILTER_BYTES },
    { AT(ids), .type = JSONX_ARRAY },
    { AT(priority), .type = JSONX_VALUE },
};
#undef AT
static const struct jsonx_field priority_row = { .key = "priority",
                                                 .type = JSONX_INT,
                                                 .min = -PRIORITY_MOST,
                                                 .max = PRIORITY_MOST,
                                                 .required = true };

static void state_free(void *arg)
{
    struct act_state *s = arg;
    run_act_done(&s->act);
    free(s);
}

static int take_ids(struct act_state *s, struct err *err)
{
    static const struct jsonx_field row = {
        .key = "ids", .type = JSONX_INT, .min = 1, .max = 1e15
    };
    size_t n = json_array_size(s->in.ids);
    if (n < 1 || n > ACT_RUNS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/ids", "\"ids\" must have 1 to %d runs, not %zu",
                          ACT_RUNS, n);
    s->act.ids = calloc(n, sizeof *s->act.ids);
    if (s->act.ids == NULL)
        return err_no_memory(err, "%zu runs", n);
    for (size_t i = 0; i < n; i++) {
        char at[40];
        snprintf(at, sizeof at, "/ids/%zu", i);
        int status =
            jsonx_decode_value(json_array_get(s->in.ids, i), &row, &s->act.ids[i], at, err);
        if (status != 0)
            return status;
    }
    s->act.n = n;
    return 0;
}

static int take_priority(struct act_state *s, struct err *err)
{
    bool wanted = s->act.act == ACT_PRIORITY;
    if (wanted && s->in.priority == NULL)
        return err_set_at(err, ERR_MISSING_FIELD, "/priority", "\"priority\" is required");
    if (!wanted && s->in.priority != NULL)
        return err_set_at(err, ERR_INCONSISTENT, "/priority",
                          "\"priority\" belongs to the action \"priority\"");
    return wanted ? jsonx_decode_value(s->in.priority, &priority_row, &s->act.priority, "/priority",
                                       err)
                  : 0;
}

int acts_decode(struct request *req, struct err *err)
{
    struct act_state *s = request_state(req, sizeof *s, state_free, err);
    if (s == NULL)
        return -ERR_NO_MEMORY;
    if (strlen(req->idempotency_key) > 200)
        return err_set(err, ERR_BAD_PARAMETER, "an Idempotency-Key has at most 200 characters");
    int status = jsonx_decode(req->body, act_fields, sizeof act_fields / sizeof *act_fields, &s->in,
                              "", err);
    if (status != 0)
        return status;
    s->act.act = (enum act)s->in.action;
    bool filter = json_object_get(req->body, "filter") != NULL;
    if (filter == (s->in.ids != NULL))
        return err_set_at(err, ERR_INCONSISTENT, filter ? "/ids" : "/filter",
                          "runs are named by \"filter\" or by \"ids\": give one of them");
    if (filter && s->in.filter[strspn(s->in.filter, " \t\r\n")] == '\0')
        return err_set_at(err, ERR_INVALID_VALUE, "/filter",
                          "an empty filter would mean every run there is; id > 0 says so");
    return take_priority(s, err);
}

static int by_id(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int acts_read(struct request *req, struct store *store, struct err *err)
{
    struct act_state *s = req->state;
    s->act.key = req->idempotency_key;
    digest_of_hex(req->body_text, req->body_len, s->digest);
    s->act.body_digest = s->digest;
    if (s->in.ids == NULL)
        return store_act_find(store, s->in.filter, &s->act.ids, &s->act.n, err);
    int status = take_ids(s, err); /* not on the loop: there may be thousands */
    if (status != 0)
        return status;
    qsort(s->act.ids, s->act.n, sizeof *s->act.ids, by_id);
    size_t n = 0;
    for (size_t i = 0; i < s->act.n; i++)
        if (n == 0 || s->act.ids[n - 1] != s->act.ids[i])
            s->act.ids[n++] = s->act.ids[i];
    s->act.n = n;
    return 0;
}

int acts_write(struct request *req, struct store *store, struct err *err)
{
    struct run_act *act = &((struct act_state *)req->state)->act;
    int status = store_act_slice(store, act, err);
    req->more = status == 0 && !act->over;
    return status;
}

int acts_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct run_act *act = &((const struct act_state *)req->state)->act;
    reply_json(reply, 200,
               json_pack("{s:s, s:I, s:I, s:O}", "action", act_names[act->act], "changed",
                         (json_int_t)act->changed, "unchanged", (json_int_t)act->unchanged,
                         "refused", act->refused),
               -1);
    return 0;
}

int acts_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    const struct run_act *act = &((const struct act_state *)req->state)->act;
    supervisor_stop_runs(req->app->supervisor, act->running, act->running_n);
    supervisor_kick(req->app->supervisor);
    return 0;
}

/* POST experiments/{id}/priority */

struct priority_state {
    int64_t id, priority;
    struct run_slice slice;
    struct experiment_row row;
};

static void priority_free(void *arg)
{
    struct priority_state *s = arg;
    experiment_row_done(&s->row);
    free(s);
}

int experiment_priority_decode(struct request *req, struct err *err)
{
    struct priority_state *s = request_state(req, sizeof *s, priority_free, err);
    if (s == NULL)
        return -ERR_NO_MEMORY;
    int status = request_id(req, 0, &s->id, err);
    return status == 0 ? jsonx_decode(req->body, &priority_row, 1, &s->priority, "", err) : status;
}

int experiment_priority_write(struct request *req, struct store *store, struct err *err)
{
    struct priority_state *s = req->state;
    int status = store_experiment_priority(store, s->id, s->priority, &s->slice, err);
    req->more = s->slice.more;
    return status == 0 && !req->more ? store_experiment_get(store, s->id, &s->row, err) : status;
}

int experiment_priority_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    reply_json(reply, 200, objects_experiment(&((const struct priority_state *)req->state)->row),
               -1);
    return 0;
}
