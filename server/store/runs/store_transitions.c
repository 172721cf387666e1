/* What a person may ask of a run: cancel, retry, verify, another place in the queue. Each looks
 * where the run stands and says why not, or moves it by a guarded UPDATE. */
#include "server/store/runs/store_transitions.h"

#include "common/base/clock.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_rows.h"

#include <stdlib.h>

/* What a transition depends on. */
struct standing {
    int64_t id, experiment, step;
    enum run_state state;
    enum verify_state verify;
};

static void standing_from(sqlite3_stmt *s, void *row)
{
    *(struct standing *)row = (struct standing){
        .state = run_state_of((const char *)sqlite3_column_text(s, 0)),
        .experiment = sqlite3_column_int64(s, 1),
        .verify = verify_state_of((const char *)sqlite3_column_text(s, 2)),
        .step = sqlite3_column_int64(s, 3),
        .id = sqlite3_column_int64(s, 4),
    };
}

static int standing_of(struct store *store, int64_t id, struct standing *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_find_run(store, SQL_RUN_STATE, id, &s, err);
    if (status != 0)
        return status;
    standing_from(s, ret);
    sqlite3_reset(s);
    return 0;
}

static int moved(struct store *store, const struct standing *run, int status)
{
    if (status != 0)
        return status;
    store_touch_run(store, run->experiment, run->id);
    store_touch_experiment(store, run->experiment);
    store_touch_queue(store);
    return 0;
}

/* Whether the run can be trained once more. */
static int need_leisure(struct store *store, const struct standing *run, struct err *err)
{
    int64_t missing = 0;
    if (verify_is_open(run->verify))
        return err_set(err, ERR_CONFLICT, "a verification of run %lld is %s; cancel ends it",
                       (long long)run->id, verify_state_names[run->verify]);
    int status = store_get_int(store, SQL_RUN_DATASET_GONE, 0, &missing, err, "i", run->id);
    if (status == 0 && missing > 0)
        status = err_set(err, ERR_CONFLICT, "the dataset of run %lld has been deleted",
                         (long long)run->id);
    return status;
}

static int cancel(struct store *store, const struct standing *run, struct err *err)
{
    int status;
    if (run->state == RUN_QUEUED) {
        status =
            store_run_sql(store, SQL_RUN_CANCEL_QUEUED, NULL, err, "ii", run->id, clock_wall_ms());
        if (status == 0)
            store_touch_ended(store, run->experiment, run->id);
    } else if (run->state == RUN_RUNNING)
        status = store_run_sql(store, SQL_RUN_CANCEL_RUNNING, NULL, err, "i", run->id);
    else if (run->verify == VERIFY_QUEUED)
        status = store_run_sql(store, SQL_VERIFY_CANCEL_QUEUED, NULL, err, "i", run->id);
    else if (run->verify == VERIFY_RUNNING)
        status = store_run_sql(store, SQL_VERIFY_CANCEL_RUNNING, NULL, err, "i", run->id);
    else
        return err_set(err, ERR_CONFLICT, "run %lld has %s already", (long long)run->id,
                       run_state_names[run->state]);
    return moved(store, run, status);
}

int store_run_cancel(struct store *store, int64_t id, struct err *err)
{
    struct standing run;
    int status = standing_of(store, id, &run, err);
    return status == 0 ? cancel(store, &run, err) : status;
}

int store_runs_cancel(struct store *store, int64_t experiment, struct run_slice *slice,
                      struct err *err)
{
    static const struct store_rows rows = { sizeof(struct standing), standing_from, NULL };
    struct standing *runs = NULL;
    size_t n = 0;
    int status = store_all(store, SQL_EXPERIMENT_ACTIVE, &rows, (void **)&runs, &n, err, "iii",
                           experiment, slice->after, (int64_t)RUN_SLICE);
    for (size_t i = 0; i < n && status == 0; i++)
        status = cancel(store, &runs[i], err);
    if (status == 0)
        *slice = (struct run_slice){ n > 0 ? runs[n - 1].id : slice->after, n == RUN_SLICE };
    free(runs);
    return status;
}

int store_run_retry(struct store *store, int64_t id, struct err *err)
{
    struct standing run;
    int status = standing_of(store, id, &run, err);
    if (status != 0)
        return status;
    if (run.state != RUN_FAILED && run.state != RUN_CANCELLED)
        return err_set(err, ERR_CONFLICT,
                       "run %lld is %s; only failed and cancelled runs can be retried",
                       (long long)id, run_state_names[run.state]);
    status = need_leisure(store, &run, err);
    if (status == 0)
        status = store_run_sql(store, SQL_RUN_RETRY, NULL, err, "i", id);
    return moved(store, &run, status);
}

int store_run_verify(struct store *store, int64_t id, struct err *err)
{
    struct standing run;
    int status = standing_of(store, id, &run, err);
    if (status != 0)
        return status;
    if (run.state == RUN_QUEUED || run.state == RUN_RUNNING)
        return err_set(err, ERR_CONFLICT, "run %lld is %s; only runs that have ended are verified",
                       (long long)id, run_state_names[run.state]);
    if (run.step == 0)
        return err_set(err, ERR_CONFLICT,
                       "run %lld ended before its first step: there is nothing to verify",
                       (long long)id);
    status = need_leisure(store, &run, err);
    if (status == 0)
        status = store_run_sql(store, SQL_VERIFY_QUEUE, NULL, err, "i", id);
    return moved(store, &run, status);
}

int store_run_priority(struct store *store, int64_t id, int64_t priority, struct err *err)
{
    struct standing run;
    int status = standing_of(store, id, &run, err);
    if (status != 0)
        return status;
    if (run.state != RUN_QUEUED)
        return err_set(err, ERR_CONFLICT,
                       "run %lld is %s; only queued runs have a priority to change", (long long)id,
                       run_state_names[run.state]);
    return moved(store, &run,
                 store_run_sql(store, SQL_RUN_PRIORITY, NULL, err, "ii", id, priority));
}
