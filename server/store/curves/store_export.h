/* store_export: what an export walks over: the runs of an experiment and their series as they are
 * at one moment, then the points of each.
 *
 * Rows of metrics are never changed, and a series grows at its end alone. So whoever knows the last
 * step of each series at a moment can read the points up to it later, in as many transactions as it
 * takes, and has that moment.
 */
#ifndef ABLATE_SERVER_STORE_EXPORT_H
#define ABLATE_SERVER_STORE_EXPORT_H

#include "server/store/curves/store_metrics.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_runs.h"

struct export_series {
    int64_t run, last_step, rows;
    size_t name; /* index into names */
};
struct export_plan {
    int64_t *runs; /* ids, ascending */
    struct export_name {
        int64_t id;
        char *text;               /* owned */
    } * names;                    /* of the series, by text (bytewise) */
    struct export_series *series; /* by run, then name */
    size_t runs_n, names_n, series_n;
};
/* What an experiment has now. arm: NULL = every one. ret: the caller's (export_plan_done). Errors:
 * those of the store. An experiment that isn't there has no runs. */
int store_export_plan(struct store *, int64_t experiment, const char *arm, struct export_plan *ret,
                      struct err *);
void export_plan_done(struct export_plan *plan);

struct export_run {
    int64_t id, seed, started_at, ended_at; /* 0 = none */
    enum run_state state;
    char *arm, *grid; /* owned; grid is JSON text */
};
void export_run_done(struct export_run *run);
/* Errors: NOT_FOUND. */
int store_export_run(struct store *, int64_t id, struct export_run *ret, struct err *);
/* Calls each() with one frozen specification of every arm at every grid point, as JSON text, by its
 * oldest run. A status other than 0 ends the walk and is returned; so it is below. */
int store_export_specs(struct store *, int64_t experiment, const char *arm,
                       int (*each)(void *arg, const char *spec, struct err *), void *arg,
                       struct err *);
/* … with the points of one series from a step to another, by step. */
int store_export_points(struct store *, int64_t run, int64_t name, int64_t from, int64_t to,
                        int (*each)(void *arg, const struct metric_point *, struct err *),
                        void *arg, struct err *);
/* How many points those are. */
int store_export_count(struct store *, int64_t run, int64_t name, int64_t from, int64_t to,
                       int64_t *ret, struct err *);
/* Errors: NOT_FOUND, also for one that is deleted. */
int store_export_there(struct store *, int64_t experiment, struct err *);

#endif
