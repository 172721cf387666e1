/* Names of metrics are few and series are many, so that a series knows its name by an index. */
#include "server/store/curves/store_export.h"

#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

void export_plan_done(struct export_plan *plan)
{
    for (size_t i = 0; i < plan->names_n; i++)
        free(plan->names[i].text);
    free(plan->names);
    free(plan->runs);
    free(plan->series);
    *plan = (struct export_plan){ 0 };
}

static void id_from(sqlite3_stmt *s, void *row)
{
    *(int64_t *)row = sqlite3_column_int64(s, 0);
}

static void name_from(sqlite3_stmt *s, void *row)
{
    *(struct export_name *)row =
        (struct export_name){ sqlite3_column_int64(s, 0), store_text(s, 1, false) };
}

static void name_done(void *row)
{
    free(((struct export_name *)row)->text);
}

/* The name's id stands where its index will. */
static void series_from(sqlite3_stmt *s, void *row)
{
    *(struct export_series *)row = (struct export_series){
        .run = sqlite3_column_int64(s, 0),
        .name = (size_t)sqlite3_column_int64(s, 1),
        .last_step = sqlite3_column_int64(s, 2),
        .rows = sqlite3_column_int64(s, 3),
    };
}

static int index_names(struct export_plan *plan, struct err *err)
{
    for (size_t n = 0; n < plan->names_n; n++)
        if (plan->names[n].text == NULL)
            return err_no_memory(err, "an experiment's metrics");
    for (size_t i = 0; i < plan->series_n; i++) {
        size_t n = 0;
        while (n < plan->names_n && (size_t)plan->names[n].id != plan->series[i].name)
            n++;
        plan->series[i].name = n;
    }
    return 0;
}

int store_export_plan(struct store *store, int64_t experiment, const char *arm,
                      struct export_plan *ret, struct err *err)
{
    static const struct store_rows ids = { sizeof(int64_t), id_from, NULL },
                                   names = { sizeof(struct export_name), name_from, name_done },
                                   series = { sizeof(struct export_series), series_from, NULL };
    struct export_plan plan = { 0 };
    int status = store_all(store, SQL_EXPORT_RUNS, &ids, (void **)&plan.runs, &plan.runs_n, err,
                           "it", experiment, arm);
    if (status == 0)
        status = store_all(store, SQL_EXPORT_NAMES, &names, (void **)&plan.names, &plan.names_n,
                           err, "it", experiment, arm);
    if (status == 0)
        status = store_all(store, SQL_EXPORT_SERIES, &series, (void **)&plan.series, &plan.series_n,
                           err, "it", experiment, arm);
    if (status == 0)
        status = index_names(&plan, err);
    if (status == 0)
        *ret = plan;
    else
        export_plan_done(&plan);
    return status;
}

void export_run_done(struct export_run *run)
{
    free(run->arm);
    free(run->grid);
    *run = (struct export_run){ 0 };
}

int store_export_run(struct store *store, int64_t id, struct export_run *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_find_run(store, SQL_EXPORT_RUN, id, &s, err);
    if (status != 0)
        return status;
    struct export_run run = {
        .id = id,
        .arm = store_text(s, 0, false),
        .grid = store_text(s, 1, false),
        .seed = sqlite3_column_int64(s, 2),
        .state = run_state_of((const char *)sqlite3_column_text(s, 3)),
        .started_at = sqlite3_column_int64(s, 4),
        .ended_at = sqlite3_column_int64(s, 5),
    };
    sqlite3_reset(s);
    if (run.arm == NULL || run.grid == NULL) {
        export_run_done(&run);
        return err_no_memory(err, "a run");
    }
    *ret = run;
    return 0;
}

int store_export_specs(struct store *store, int64_t experiment, const char *arm,
                       int (*each)(void *arg, const char *spec, struct err *err), void *arg,
                       struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_EXPORT_SPECS, &s, err, "it", experiment, arm);
    while (status == 0 && (status = store_step(store, s, err)) == 1)
        status = each(arg, (const char *)sqlite3_column_text(s, 0), err);
    if (s != NULL)
        sqlite3_reset(s);
    return status;
}

int store_export_points(struct store *store, int64_t run, int64_t name, int64_t from, int64_t to,
                        int (*each)(void *arg, const struct metric_point *point, struct err *err),
                        void *arg, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_METRIC_RANGE, &s, err, "iiii", run, name, from, to);
    while (status == 0 && (status = store_step(store, s, err)) == 1) {
        const struct metric_point point = { sqlite3_column_int64(s, 0), store_metric_value(s, 1) };
        status = each(arg, &point, err);
    }
    if (s != NULL)
        sqlite3_reset(s);
    return status;
}

int store_export_count(struct store *store, int64_t run, int64_t name, int64_t from, int64_t to,
                       int64_t *ret, struct err *err)
{
    return store_get_int(store, SQL_METRIC_COUNT, 0, ret, err, "iiiii", run, name, from, to,
                         INT64_MAX);
}

int store_export_there(struct store *store, int64_t experiment, struct err *err)
{
    int64_t there = 0;
    int status = store_get_int(store, SQL_EXPORT_THERE, 0, &there, err, "i", experiment);
    return status == 0 && there == 0
               ? err_set(err, ERR_NOT_FOUND, "there is no experiment %lld", (long long)experiment)
               : status;
}
