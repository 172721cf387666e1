/* Reading curves: a series whole, or as buckets of its rollups when it is longer than was asked
 * for.
 */
#include "server/store/curves/store_series.h"

#include "common/base/buf.h"
#include "server/store/curves/rollup.h"
#include "server/store/store_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void metric_series_free(struct metric_series *series, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(series[i].name);
        free(series[i].points);
        free(series[i].buckets);
    }
    free(series);
}

static int read_points(struct store *store, int64_t run, int64_t name, int64_t from, int64_t to,
                       struct metric_series *series, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_METRIC_RANGE, &s, err, "iiii", run, name, from, to);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        struct metric_point *point =
            store_grow((void **)&series->points, &series->n, sizeof *point);
        if (point == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a series' points");
        }
        *point = (struct metric_point){ sqlite3_column_int64(s, 0), store_metric_value(s, 1) };
    }
    return status;
}

static bool wanted(const struct metric_query *query, const char *name)
{
    for (size_t i = 0; i < query->names_n; i++)
        if (strcmp(query->names[i], name) == 0)
            return true;
    return query->names == NULL;
}

/* What series there are comes from their summary rows; which levels to read, from how many rows
 * they have. */
struct found {
    int64_t id, rows, last_step;
};

static int find_series(struct store *store, const struct metric_query *query,
                       struct metric_series **ret, struct found **ret_found, size_t *ret_n,
                       struct err *err)
{
    size_t found_n = 0;
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_SERIES_LIST, &s, err, "i", query->run);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        if (!wanted(query, (const char *)sqlite3_column_text(s, 1)))
            continue;
        struct metric_series *series = store_grow((void **)ret, ret_n, sizeof *series);
        struct found *found = store_grow((void **)ret_found, &found_n, sizeof *found);
        if (series == NULL || found == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a run's series");
        }
        if ((series->name = store_text(s, 1, false)) == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a run's series");
        }
        *found = (struct found){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 2),
                                 sqlite3_column_int64(s, 3) };
    }
    return status;
}

/* How many rows the range has, or points + 1 when there are more: those needn't be counted. */
static int count_rows(struct store *store, const struct metric_query *query,
                      const struct found *found, int64_t to, int64_t *ret, struct err *err)
{
    if (query->from <= 0 && to >= found->last_step) {
        *ret = found->rows;
        return 0;
    }
    return store_get_int(store, SQL_METRIC_COUNT, 0, ret, err, "iiiii", query->run, found->id,
                         query->from, to, query->points + 1);
}

/* Buckets, of which the last is the series' last row by itself, if that is in the range: a long series
 * ends with its last value, not with a mean. */
static int read_buckets(struct store *store, const struct metric_query *query,
                        const struct found *found, int64_t to, struct metric_series *series,
                        struct err *err)
{
    bool ends = to == found->last_step && query->points > 1;
    int status =
        rollup_get(store, query->run, found->id, query->from, ends ? to - 1 : to,
                   ends ? query->points - 1 : query->points, &series->buckets, &series->n, err);
    struct metric_bucket *buckets =
        status == 0 && ends ? realloc(series->buckets, (series->n + 1) * sizeof *buckets) : NULL;
    if (status != 0 || !ends)
        return status;
    if (buckets == NULL)
        return err_no_memory(err, "a series' buckets");
    series->buckets = buckets;
    struct metric_bucket *last = NULL;
    size_t n = 0;
    status = rollup_get(store, query->run, found->id, to, to, 1, &last, &n, err);
    if (status == 0 && n == 1)
        buckets[series->n++] = *last;
    free(last);
    return status;
}

static int read_series(struct store *store, const struct metric_query *query,
                       const struct found *found, struct metric_series *series, struct err *err)
{
    int64_t to = query->to < 0 || query->to > found->last_step ? found->last_step : query->to;
    int64_t rows = 0;
    int status = query->points > 0 ? count_rows(store, query, found, to, &rows, err) : 0;
    if (status == 0 && rows <= query->points) {
        status = read_points(store, query->run, found->id, query->from, to, series, err);
        series->raw = (int64_t)series->n;
        return status;
    }
    if (status == 0)
        status = read_buckets(store, query, found, to, series, err);
    for (size_t i = 0; status == 0 && i < series->n; i++)
        series->raw += series->buckets[i].count + series->buckets[i].nonfinite;
    return status;
}

int store_metrics_get(struct store *store, const struct metric_query *query,
                      struct metric_series **ret, size_t *ret_n, struct err *err)
{
    struct metric_series *series = NULL;
    struct found *found = NULL;
    size_t n = 0;
    int status = find_series(store, query, &series, &found, &n, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = read_series(store, query, &found[i], &series[i], err);
    free(found);
    if (status != 0) {
        metric_series_free(series, n);
        return status;
    }
    *ret = series;
    *ret_n = n;
    return 0;
}

int store_metrics_range(struct store *store, int64_t run, int64_t name, int64_t from, int64_t to,
                        struct metric_series *ret, struct err *err)
{
    struct metric_series series = { 0 };
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_NAME_TEXT, &s, err, "i", name);
    if (status < 0)
        return status;
    series.name = store_text(s, 0, false);
    sqlite3_reset(s);
    if (series.name == NULL)
        return err_no_memory(err, "a run's series");
    status = read_points(store, run, name, from, to, &series, err);
    if (status != 0) {
        free(series.name);
        free(series.points);
        return status;
    }
    series.raw = (int64_t)series.n;
    *ret = series;
    return 0;
}

int store_metrics_each(struct store *store, int64_t run,
                       int (*each)(void *arg, const char *name, const struct metric_point *point,
                                   struct err *err),
                       void *arg, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_METRIC_EACH, &s, err, "i", run);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        const struct metric_point point = { sqlite3_column_int64(s, 1), store_metric_value(s, 2) };
        status = each(arg, (const char *)sqlite3_column_text(s, 0), &point, err);
        if (status != 0)
            break;
    }
    sqlite3_reset(s);
    return status;
}
