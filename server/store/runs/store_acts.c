/* What is asked of many runs: each by the functions for one of them, in slices, so that the writes
 * of others come between. A row of `acts` goes along in the same transactions. */
#include "server/store/runs/store_acts.h"

#include "common/base/clock.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_touches.h"
#include "server/store/runs/store_transitions.h"
#include "server/store/search/store_page.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

/* A key is known for so long. */
enum { KEPT_DAYS = 30 };

const char *const act_names[] = { "cancel", "retry", "priority", NULL };

void run_act_done(struct run_act *act)
{
    free(act->ids);
    free(act->running);
    json_decref(act->refused);
    *act = (struct run_act){ 0 };
}

int store_act_find(struct store *store, const char *filter, int64_t **ret, size_t *ret_n,
                   struct err *err)
{
    const struct page_query query = {
        .of = FILTER_RUNS, .filter = filter, .order = "", .token = "", .size = ACT_RUNS
    };
    struct page page;
    int status = store_page(store, &query, &page, err);
    if (status != 0)
        return status;
    int64_t *ids = calloc(page.n + 1, sizeof *ids);
    if (ids == NULL)
        status = err_no_memory(err, "%zu runs", page.n);
    else if (page.more)
        status =
            err_set(err, ERR_TOO_MANY_RUNS,
                    "the filter finds more than the %d runs that are changed at once", ACT_RUNS);
    for (size_t i = 0; i < page.n && ids != NULL; i++)
        ids[i] = page.items[i].id;
    *ret_n = status == 0 ? page.n : 0;
    page_done(&page);
    if (status == 0)
        *ret = ids;
    else
        free(ids);
    return status;
}

/* What the key has done so far; there is a row of it afterwards. */
static int begin(struct store *store, struct run_act *act, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int64_t now = clock_wall_ms(), after = 0;
    act->refused = json_array();
    if (act->key[0] == '\0')
        return 0;
    int status = store_first(store, SQL_ACT_GET, &s, err, "t", act->key);
    if (status < 0)
        return status;
    if (status == 0) {
        status = store_run_sql(store, SQL_ACTS_FORGET, NULL, err, "i",
                               now - KEPT_DAYS * INT64_C(86400000));
        return status == 0 ? store_run_sql(store, SQL_ACT_ADD, NULL, err, "tti", act->key,
                                           act->body_digest, now)
                           : status;
    }
    bool same = strcmp((const char *)sqlite3_column_text(s, 0), act->body_digest) == 0;
    after = sqlite3_column_int64(s, 1);
    act->over = sqlite3_column_int64(s, 2) != 0;
    act->changed = sqlite3_column_int64(s, 3);
    act->unchanged = sqlite3_column_int64(s, 4);
    char *refused = store_text(s, 5, false);
    sqlite3_reset(s);
    status = same ? 0
                  : err_set(err, ERR_IDEMPOTENCY_MISMATCH,
                            "this Idempotency-Key was used for another request body");
    if (status == 0 && refused != NULL) {
        json_decref(act->refused);
        act->refused = NULL;
        status = jsonx_load(refused, strlen(refused), &act->refused, err);
    }
    free(refused);
    while (act->at < act->n && act->ids[act->at] <= after)
        act->at++;
    return status;
}

static int note(struct store *store, const struct run_act *act, struct err *err)
{
    if (act->key[0] == '\0')
        return 0;
    char *refused = jsonx_text(act->refused, JSONX_CANONICAL);
    int status = refused == NULL
                     ? err_no_memory(err, "what came of a request")
                     : store_run_sql(store, SQL_ACT_NOTE, NULL, err, "tiiiit", act->key,
                                     act->at > 0 ? act->ids[act->at - 1] : (int64_t)0,
                                     (int64_t)act->over, act->changed, act->unchanged, refused);
    free(refused);
    return status;
}

static int stop_later(struct run_act *act, int64_t id, struct err *err)
{
    int64_t *grown = reallocarray(act->running, act->running_n + 1, sizeof *grown);
    if (grown == NULL)
        return err_no_memory(err, "the runs that are to stop");
    act->running = grown;
    act->running[act->running_n++] = id;
    return 0;
}

static int told(void *arg, int64_t id, const struct err *refusal, bool busy, struct err *err)
{
    struct run_act *act = arg;
    if (refusal == NULL) {
        act->changed++;
        return act->act == ACT_CANCEL && busy ? stop_later(act, id, err) : 0;
    }
    act->unchanged++;
    if (json_array_size(act->refused) < ACT_REFUSED)
        json_array_append_new(act->refused, json_pack("{s:I, s:s}", "id", (json_int_t)id, "reason",
                                                      refusal->message));
    return 0;
}

int store_act_slice(struct store *store, struct run_act *act, struct err *err)
{
    int status = act->begun ? 0 : begin(store, act, err);
    act->begun = true;
    if (status != 0 || act->over)
        return status;
    size_t left = act->n - act->at, n = left < RUN_SLICE ? left : RUN_SLICE;
    status = store_runs_ask(store,
                            &(struct runs_asked){ .act = act->act,
                                                  .priority = act->priority,
                                                  .ids = act->ids + act->at,
                                                  .n = n,
                                                  .told = told,
                                                  .arg = act },
                            err);
    if (status != 0)
        return status;
    act->at += n;
    act->over = act->at == act->n;
    return note(store, act, err);
}

int store_experiment_priority(struct store *store, int64_t id, int64_t priority,
                              struct run_slice *slice, struct err *err)
{
    int64_t changes = 0, last = 0;
    sqlite3_stmt *s = NULL;
    int status = store_run_sql(store, SQL_EXPERIMENT_PRIORITY, &changes, err, "ii", id, priority);
    if (status == 0 && changes == 0)
        status = err_set(err, ERR_NOT_FOUND, "there is no experiment %lld", (long long)id);
    if (status == 0)
        status = store_query(store, SQL_EXPERIMENT_PRIORITY_RUNS, &s, err, "iiii", id, priority,
                             slice->after, (int64_t)RUN_SLICE);
    if (status != 0)
        return status;
    size_t n = 0;
    for (; (status = store_step(store, s, err)) == 1; n++) {
        last = sqlite3_column_int64(s, 0);
        store_touch_run(store, id, last);
    }
    if (status == 0)
        status = store_run_sql(store, SQL_EXPERIMENT_PRIORITY_PUT, NULL, err, "iiii", id, priority,
                               slice->after, n > 0 ? last : slice->after);
    if (status != 0)
        return status;
    store_touch_experiment(store, id);
    store_touch_queue(store);
    *slice = (struct run_slice){ n > 0 ? last : slice->after, n == RUN_SLICE };
    return 0;
}
