/* What a person may ask of runs: cancel, retry, verify, another place in the queue. It is looked where
 * a run stands, and said why not; those that move do so by a guarded UPDATE, all of them by one. */
#include "server/store/runs/store_transitions.h"

#include "common/base/buf.h"
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

/* Runs whose rows one statement changes. SQLite keeps what a statement may have to undo, page by page:
 * a statement a run would copy the pages of queue and indexes once a run. */
struct together {
    struct buf ids;
};

static void add_to(struct together *t, int64_t id)
{
    buf_addf(&t->ids, "%c%lld", t->ids.len == 0 ? '[' : ',', (long long)id);
}

/* Changes them; value: what the statement takes besides. */
static int change(struct store *store, enum sql sql, struct together *t, int64_t value,
                  struct err *err)
{
    int status = 0;
    if (t->ids.len > 0) {
        buf_addc(&t->ids, ']');
        status = t->ids.failed ? err_no_memory(err, "many runs")
                               : store_run_sql(store, sql, NULL, err, "ti", t->ids.data, value);
    }
    buf_done(&t->ids);
    return status;
}

/* A queued one is left to RUNS_CANCEL_QUEUED. */
static int cancel(struct store *store, const struct standing *run, struct together *queued,
                  struct err *err)
{
    int status = 0;
    if (run->state == RUN_QUEUED) {
        add_to(queued, run->id);
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

static int retry(struct store *store, const struct standing *run, struct together *together,
                 struct err *err)
{
    if (run->state != RUN_FAILED && run->state != RUN_CANCELLED)
        return err_set(err, ERR_CONFLICT,
                       "run %lld is %s; only failed and cancelled runs can be retried",
                       (long long)run->id, run_state_names[run->state]);
    int status = need_leisure(store, run, err);
    if (status == 0)
        add_to(together, run->id);
    return moved(store, run, status);
}

static int rank(struct store *store, const struct standing *run, struct together *together,
                struct err *err)
{
    if (run->state != RUN_QUEUED)
        return err_set(err, ERR_CONFLICT,
                       "run %lld is %s; only queued runs have a priority to change",
                       (long long)run->id, run_state_names[run->state]);
    add_to(together, run->id);
    return moved(store, run, 0);
}

static const struct {
    int (*one)(struct store *, const struct standing *, struct together *, struct err *);
    enum sql sql;
} moves[ACTS] = {
    [ACT_CANCEL] = { cancel, SQL_RUNS_CANCEL_QUEUED },
    [ACT_RETRY] = { retry, SQL_RUNS_RETRY },
    [ACT_PRIORITY] = { rank, SQL_RUNS_PRIORITY },
};

int store_runs_ask(struct store *store, const struct runs_asked *asked, struct err *err)
{
    struct together together;
    int status = 0;
    buf_init(&together.ids, 0);
    for (size_t i = 0; i < asked->n && status == 0; i++) {
        struct standing run = { 0 };
        struct err why;
        status = standing_of(store, asked->ids[i], &run, &why);
        if (status == 0)
            status = moves[asked->act].one(store, &run, &together, &why);
        bool told = status == 0 || status == -ERR_CONFLICT || status == -ERR_NOT_FOUND;
        bool busy = run.state == RUN_RUNNING || run.verify == VERIFY_RUNNING;
        if (told)
            status = asked->told(asked->arg, asked->ids[i], status == 0 ? NULL : &why, busy, err);
        else
            *err = why;
    }
    int64_t value = asked->act == ACT_PRIORITY ? asked->priority : clock_wall_ms();
    if (status == 0)
        return change(store, moves[asked->act].sql, &together, value, err);
    buf_done(&together.ids);
    return status;
}

/* One is refused by an error. */
static int tell_one(void *arg, int64_t id, const struct err *refusal, bool busy, struct err *err)
{
    (void)arg;
    (void)id;
    (void)busy;
    if (refusal == NULL)
        return 0;
    *err = *refusal;
    return -(int)refusal->code;
}

static int ask_one(struct store *store, enum act act, int64_t id, int64_t priority, struct err *err)
{
    return store_runs_ask(
        store,
        &(struct runs_asked){
            .act = act, .priority = priority, .ids = &id, .n = 1, .told = tell_one },
        err);
}

int store_run_cancel(struct store *store, int64_t id, struct err *err)
{
    return ask_one(store, ACT_CANCEL, id, 0, err);
}

int store_run_retry(struct store *store, int64_t id, struct err *err)
{
    return ask_one(store, ACT_RETRY, id, 0, err);
}

int store_run_priority(struct store *store, int64_t id, int64_t priority, struct err *err)
{
    return ask_one(store, ACT_PRIORITY, id, priority, err);
}

int store_runs_cancel(struct store *store, int64_t experiment, struct run_slice *slice,
                      struct err *err)
{
    static const struct store_rows rows = { sizeof(struct standing), standing_from, NULL };
    struct standing *runs = NULL;
    struct together queued;
    size_t n = 0;
    buf_init(&queued.ids, 0);
    int status = store_all(store, SQL_EXPERIMENT_ACTIVE, &rows, (void **)&runs, &n, err, "iii",
                           experiment, slice->after, (int64_t)RUN_SLICE);
    for (size_t i = 0; i < n && status == 0; i++)
        status = cancel(store, &runs[i], &queued, err);
    if (status == 0)
        status = change(store, SQL_RUNS_CANCEL_QUEUED, &queued, clock_wall_ms(), err);
    else
        buf_done(&queued.ids);
    if (status == 0)
        *slice = (struct run_slice){ n > 0 ? runs[n - 1].id : slice->after, n == RUN_SLICE };
    free(runs);
    return status;
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
