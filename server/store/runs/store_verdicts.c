/* Two places: experiments.verdict, that of the whole, and a row an arm. */
#include "server/store/runs/store_verdicts.h"

#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <math.h>
#include <stdlib.h>

/* Whether one of so many runs or fewer has ended; *ret_lacking: a larger one has. */
static int look(struct store *store, int64_t id, int64_t runs, bool *ret_due, bool *ret_lacking,
                struct err *err)
{
    int64_t ended = 0, n = 0;
    int status = store_get_int(store, SQL_EXPERIMENT_ENDED, 0, &ended, err, "i", id);
    if (status == 0 && ended != 0)
        status = store_get_int(store, SQL_EXPERIMENT_RUNS, 0, &n, err, "i", id);
    *ret_due = ended != 0 && n <= runs;
    if (status == 0 && n > runs) {
        *ret_lacking = true;
        status = store_run_sql(store, SQL_VERDICT_DUE, NULL, err, "i", id);
        if (status == 0)
            status = store_run_sql(store, SQL_VERDICTS_CLEAR, NULL, err, "i", id);
    }
    return status;
}

int store_verdicts_due(struct store *store, int64_t runs, int64_t **ret, size_t *ret_n,
                       bool *ret_lacking, struct err *err)
{
    int64_t *ids = NULL;
    size_t n = 0, due = 0;
    bool lacking = false;
    int status = store_touched(store, true, &ids, &n, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        bool is_due = false;
        status = look(store, ids[i], runs, &is_due, &lacking, err);
        if (is_due)
            ids[due++] = ids[i];
    }
    if (status != 0) {
        free(ids);
        return status;
    }
    *ret = ids;
    *ret_n = due;
    *ret_lacking = lacking;
    return 0;
}

int store_verdicts_lacking(struct store *store, struct verdict_due *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_VERDICTS_LACKING, &s, err, "");
    if (status < 0)
        return status;
    *ret = (struct verdict_due){ 0 };
    if (status > 0) {
        *ret = (struct verdict_due){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1) };
        sqlite3_reset(s);
    }
    return 0;
}

int store_verdicts_put(struct store *store, int64_t experiment, const struct verdict_due *due,
                       const char *status, const struct arm_verdict *arms, size_t n,
                       struct err *err)
{
    int64_t changed = 0;
    int made = due == NULL
                   ? store_run_sql(store, SQL_VERDICT_SET, &changed, err, "it", experiment, status)
                   : store_run_sql(store, SQL_VERDICT_SETTLE, &changed, err, "iti", experiment,
                                   status, due->due);
    if (made != 0 || changed == 0)
        return made;
    made = store_run_sql(store, SQL_VERDICTS_CLEAR, NULL, err, "i", experiment);
    for (size_t i = 0; i < n && made == 0; i++)
        made = store_run_sql(store, SQL_VERDICT_ADD, NULL, err, "ittdi", experiment, arms[i].arm,
                             arms[i].verdict,
                             isfinite(arms[i].difference) ? arms[i].difference : (double)NAN,
                             (int64_t)arms[i].valid);
    if (made == 0)
        store_touch_experiment(store, experiment);
    return made;
}
