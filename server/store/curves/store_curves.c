/* One metric of every run of an experiment, for the report's dynamics.
 *
 * A long series is thinned by looking up the steps that are wanted, not by reading it: a series has
 * its rows at multiples of its first step (1, 2, 3 … while training, eval_every, 2·eval_every … in
 * evaluation), so that multiples of first·k, k out of 1, 2, 5, 10, 20 …, exist, and are the same
 * ones in all runs of a grid point.
 */
#include "server/store/curves/store_curves.h"

#include "server/store/store_rows.h"

#include <stdlib.h>

struct source {
    int64_t run, name, rows, last_step, first_step;
};

static void source_from(sqlite3_stmt *s, void *row)
{
    *(struct source *)row = (struct source){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1),
                                             sqlite3_column_int64(s, 2), sqlite3_column_int64(s, 3),
                                             sqlite3_column_int64(s, 4) };
}

/* The least of 1, 2, 5, 10, 20, 50 … that is not below n. */
static int64_t round_up(int64_t n)
{
    static const int64_t of_ten[] = { 1, 2, 5 };
    for (int64_t ten = 1;; ten *= 10)
        for (size_t i = 0; i < sizeof of_ten / sizeof *of_ten; i++)
            if (of_ten[i] * ten >= n)
                return of_ten[i] * ten;
}

static int read_source(struct store *store, const struct source *source, int64_t points,
                       struct curve_point **ret, size_t *ret_n, struct err *err)
{
    bool whole = source->rows <= points;
    int64_t first = source->first_step > 0 ? source->first_step : 1;
    int64_t every = first * round_up((source->rows + points - 1) / points);
    sqlite3_stmt *s = NULL;
    int status = store_query(store, whole ? SQL_METRIC_RANGE : SQL_CURVE_STEPS, &s, err, "iiii",
                             source->run, source->name, whole ? 0 : every, source->last_step);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        struct curve_point *point = store_grow((void **)ret, ret_n, sizeof *point);
        if (point == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "the curves");
        }
        *point = (struct curve_point){ source->run, sqlite3_column_int64(s, 0),
                                       store_metric_value(s, 1) };
    }
    return status;
}

int store_curves(struct store *store, int64_t experiment, const char *metric, int64_t points,
                 struct curve_point **ret, size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof(struct source), source_from, NULL };
    struct source *sources = NULL;
    struct curve_point *found = NULL;
    size_t sources_n = 0, n = 0;
    int status = store_all(store, SQL_CURVES, &rows, (void **)&sources, &sources_n, err, "it",
                           experiment, metric);
    for (size_t i = 0; i < sources_n && status == 0; i++)
        status = read_source(store, &sources[i], points, &found, &n, err);
    free(sources);
    if (status != 0) {
        free(found);
        return status;
    }
    *ret = found;
    *ret_n = n;
    return 0;
}
