/* Applying a worker's events, and reading curves.
 *
 * Each event type is one row of `appliers`: a function from the event's body to rows. All of an
 * event goes in with the advance of acked_seq, inside the caller's savepoint: wholly or not at all.
 */
#include "server/store/store_metrics.h"

#include "common/clock.h"
#include "common/jsonx.h"
#include "server/store/rollup.h"
#include "server/store/store_facts.h"
#include "server/store/store_priv.h"
#include "server/store/store_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where an event belongs. */
struct place {
    struct store *store;
    int64_t experiment, run, attempt;
};

static int kind_of(double value)
{
    if (isnan(value))
        return 1;
    return isinf(value) ? (value > 0 ? 2 : 3) : 0;
}

static int name_id(struct store *store, const char *name, int64_t *ret, struct err *err)
{
    int status = store_get_int(store, SQL_NAME_GET, 0, ret, err, "t", name);
    if (status != 0 || *ret != 0)
        return status;
    status = store_run_sql(store, SQL_NAME_ADD, NULL, err, "t", name);
    *ret = sqlite3_last_insert_rowid(store->db);
    return status;
}

/* Inserts one value; adds it to rows when it is new. */
static int add_value(const struct place *at, int64_t name, int64_t step, double value,
                     struct rollup_row *rows, size_t *n, struct err *err)
{
    int64_t changes = 0;
    int kind = kind_of(value);
    double stored = kind == 1 ? 0 : value;
    int status = store_run_sql(at->store, SQL_METRIC_ADD, &changes, err, "iiidi", at->run, name,
                               step, stored, (int64_t)kind);
    if (status == 0 && changes > 0)
        rows[(*n)++] =
            (struct rollup_row){ .step = step, .value = kind == 0 ? value : 0, .kind = kind };
    return status;
}

static int series_added(const struct place *at, int64_t name, const struct rollup_row *rows,
                        size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    store_touch_metrics(at->store, at->experiment, at->run, name, rows[0].step, rows[n - 1].step);
    return rollup_add(at->store, at->run, name, rows, n, err);
}

static int set_step(const struct place *at, int64_t step, struct err *err)
{
    return store_run_sql(at->store, SQL_RUN_STEP, NULL, err, "ii", at->run, step);
}

static int64_t int_of(const json_t *body, const char *key)
{
    return json_integer_value(json_object_get(body, key));
}

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text != NULL ? text : "";
}

/* A JSON value as owned text; NULL when memory runs out. */
static char *dump(const json_t *value)
{
    struct buf text;
    buf_init(&text, WIRE_LINE_MAX);
    jsonx_dump(value, JSONX_CANONICAL, &text);
    char *taken = buf_take(&text, NULL);
    if (taken == NULL)
        buf_done(&text);
    return taken;
}

static int apply_started(const struct place *at, const json_t *body, struct err *err)
{
    char *environment = dump(json_object_get(body, "environment"));
    int status = store_run_sql(at->store, SQL_ATTEMPT_ENVIRONMENT, NULL, err, "iit", at->run,
                               at->attempt, environment);
    free(environment);
    const json_t *init = json_object_get(body, "init");
    char *weights = init != NULL && status == 0 ? dump(init) : NULL;
    if (weights != NULL)
        status = store_facts_put(at->store, at->run, at->attempt, weights, NULL, NULL, err);
    free(weights);
    store_touch_run(at->store, at->experiment, at->run);
    return status;
}

/* Column by column: rows of one series are neighbours in the table, and a rollup wants them
 * together. */
static int apply_metrics(const struct place *at, const json_t *body, struct err *err)
{
    const json_t *names = json_object_get(body, "names"), *lines = json_object_get(body, "rows");
    size_t lines_n = json_array_size(lines);
    if (lines_n == 0)
        return 0;
    struct rollup_row *rows = malloc(lines_n * sizeof *rows);
    if (rows == NULL)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int status = 0;
    for (size_t c = 0; c < json_array_size(names) && status == 0; c++) {
        int64_t name = 0;
        size_t n = 0;
        status = name_id(at->store, json_string_value(json_array_get(names, c)), &name, err);
        for (size_t i = 0; i < lines_n && status == 0; i++) {
            const json_t *line = json_array_get(lines, i);
            double value;
            if (jsonx_to_double(json_array_get(line, c + 1), &value) != 0)
                status = err_set(err, ERR_INTERNAL, "a metrics event holds what is no number");
            else
                status = add_value(at, name, json_integer_value(json_array_get(line, 0)), value,
                                   rows, &n, err);
        }
        if (status == 0)
            status = series_added(at, name, rows, n, err);
    }
    free(rows);
    const json_t *last = json_array_get(lines, lines_n - 1);
    return status == 0 ? set_step(at, json_integer_value(json_array_get(last, 0)), err) : status;
}

static int apply_eval(const struct place *at, const json_t *body, struct err *err)
{
    int64_t step = int_of(body, "step");
    const char *name;
    json_t *item;
    json_object_foreach(json_object_get(body, "values"), name, item)
    {
        struct rollup_row row;
        size_t n = 0;
        double value;
        int64_t id = 0;
        if (jsonx_to_double(item, &value) != 0)
            return err_set(err, ERR_INTERNAL, "an eval event holds what is no number");
        int status = name_id(at->store, name, &id, err);
        if (status == 0)
            status = add_value(at, id, step, value, &row, &n, err);
        if (status == 0)
            status = series_added(at, id, &row, n, err);
        if (status != 0)
            return status;
    }
    store_touch_run(at->store, at->experiment, at->run);
    store_touch_experiment(at->store, at->experiment);
    return set_step(at, step, err);
}

static int apply_audit(const struct place *at, const json_t *body, struct err *err)
{
    char *evidence = dump(json_object_get(body, "evidence"));
    struct audit_row row = {
        .experiment = at->experiment,
        .run = at->run,
        .name = (char *)text_of(body, "name"),
        .status = (char *)text_of(body, "status"),
        .detail = (char *)text_of(body, "detail"),
        .evidence = evidence,
    };
    int status = store_audit_of_run(at->store, &row, err);
    free(evidence);
    return status;
}

static int apply_checkpoint(const struct place *at, const json_t *body, struct err *err)
{
    return store_run_sql(at->store, SQL_CHECKPOINT_PUT, NULL, err, "iiititi", at->run,
                         int_of(body, "step"), at->attempt, text_of(body, "file"),
                         int_of(body, "bytes"), text_of(body, "sha256"), clock_wall_ms());
}

static int apply_log(const struct place *at, const json_t *body, struct err *err)
{
    json_t *line = json_pack("{s:s, s:s}", "level", text_of(body, "level"), "message",
                             text_of(body, "message"));
    char *text = dump(line);
    json_decref(line);
    if (text == NULL)
        return err_set(err, ERR_INTERNAL, "out of memory");
    store_touch_log(at->store, at->experiment, at->run, text);
    free(text);
    return 0;
}

static int apply_finished(const struct place *at, const json_t *body, struct err *err)
{
    size_t i;
    json_t *artifact;
    int status = set_step(at, int_of(body, "step"), err);
    json_array_foreach(json_object_get(body, "artifacts"), i, artifact)
    {
        if (status != 0)
            break;
        status = store_run_sql(at->store, SQL_ARTIFACT_PUT, NULL, err, "ititi", at->run,
                               text_of(artifact, "name"), int_of(artifact, "bytes"),
                               text_of(artifact, "sha256"), clock_wall_ms());
    }
    if (status == 0)
        status = store_facts_put(at->store, at->run, at->attempt, NULL,
                                 json_string_value(json_object_get(body, "consumed_sha256")),
                                 json_string_value(json_object_get(body, "eval_sha256")), err);
    return status == 0 ? store_attempt_end(at->store, at->run, at->attempt, RUN_SUCCEEDED,
                                           "finished", "", err)
                       : status;
}

static int apply_failed(const struct place *at, const json_t *body, struct err *err)
{
    struct run_row run = { 0 };
    int status = store_run_get(at->store, at->run, &run, err);
    if (status != 0)
        return status;
    const char *reason = text_of(body, "reason"), *detail = text_of(body, "detail");
    bool stopped = strcmp(reason, "stopped") == 0;
    enum run_state next = run.cancel ? RUN_CANCELLED : stopped ? RUN_QUEUED : RUN_FAILED;
    run_row_done(&run);
    if (next == RUN_QUEUED && (status = store_run_forgive(at->store, at->run, err)) != 0)
        return status;
    char text[600];
    snprintf(text, sizeof text, "%.*s%s%.*s", (int)jsonx_prefix(reason, 80), reason,
             detail[0] != '\0' ? ": " : "", (int)jsonx_prefix(detail, 512), detail);
    return store_attempt_end(at->store, at->run, at->attempt, next, stopped ? "stopped" : "failed",
                             next == RUN_CANCELLED ? "cancelled" : text, err);
}

static int (*const appliers[WIRE_TYPES])(const struct place *, const json_t *, struct err *) = {
    [WIRE_STARTED] = apply_started,
    [WIRE_METRICS] = apply_metrics,
    [WIRE_EVAL] = apply_eval,
    [WIRE_AUDIT] = apply_audit,
    [WIRE_LOG] = apply_log,
    [WIRE_FINISHED] = apply_finished,
    [WIRE_CHECKPOINT] = apply_checkpoint,
    [WIRE_FAILED] = apply_failed,
};

int store_event_apply(struct store *store, int64_t run, int64_t attempt,
                      const struct wire_message *message, uint64_t *ret_acked, struct err *err)
{
    sqlite3_stmt *s = store_statement(store, SQL_ATTEMPT_ACKED, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "ii", run, attempt);
    int status = store_step(store, s, err);
    if (status < 0)
        return status;
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "run %lld has no attempt %lld", (long long)run,
                       (long long)attempt);
    uint64_t acked = (uint64_t)sqlite3_column_int64(s, 0);
    struct place at = {
        .store = store, .experiment = sqlite3_column_int64(s, 1), .run = run, .attempt = attempt
    };
    bool ended = sqlite3_column_int64(s, 2) != 0;
    sqlite3_reset(s);
    *ret_acked = acked;
    if (message->seq <= acked)
        return 0;
    if (ended)
        return err_set(err, ERR_PROTOCOL, "attempt %lld of run %lld has ended", (long long)attempt,
                       (long long)run);
    if (message->seq != acked + 1)
        return err_set(err, ERR_CONFLICT, "event %llu came after %llu",
                       (unsigned long long)message->seq, (unsigned long long)acked);
    if (appliers[message->type] == NULL)
        return err_set(err, ERR_PROTOCOL, "a %s message is no event",
                       wire_type_name(message->type));
    status = store_run_sql(store, SQL_ATTEMPT_ACK, NULL, err, "iii", run, attempt,
                           (int64_t)message->seq);
    if (status == 0)
        status = appliers[message->type](&at, message->body, err);
    if (status == 0)
        *ret_acked = message->seq;
    return status;
}

/* reading */

void metric_series_free(struct metric_series *series, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(series[i].name);
        free(series[i].points);
        free(series[i].buckets);
    }
    free(series);
}

double store_metric_value(sqlite3_stmt *s, int column)
{
    static const double words[] = { 0, NAN, INFINITY, -INFINITY };
    int kind = sqlite3_column_int(s, column + 1) & 3;
    return kind == 0 ? sqlite3_column_double(s, column) : words[kind];
}

static int read_points(struct store *store, int64_t run, int64_t name, int64_t from, int64_t to,
                       struct metric_series *series, struct err *err)
{
    sqlite3_stmt *s = store_statement(store, SQL_METRIC_RANGE, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "iiii", run, name, from, to);
    int status;
    while ((status = store_step(store, s, err)) == 1) {
        struct metric_point *point =
            store_grow((void **)&series->points, &series->n, sizeof *point);
        if (point == NULL) {
            sqlite3_reset(s);
            return err_set(err, ERR_INTERNAL, "out of memory");
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
    sqlite3_stmt *s = store_statement(store, SQL_SERIES_LIST, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "i", query->run);
    int status;
    while ((status = store_step(store, s, err)) == 1) {
        if (!wanted(query, (const char *)sqlite3_column_text(s, 1)))
            continue;
        struct metric_series *series = store_grow((void **)ret, ret_n, sizeof *series);
        struct found *found = store_grow((void **)ret_found, &found_n, sizeof *found);
        if (series == NULL || found == NULL) {
            sqlite3_reset(s);
            return err_set(err, ERR_INTERNAL, "out of memory");
        }
        series->name = store_text(s, 1, false);
        *found = (struct found){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 2),
                                 sqlite3_column_int64(s, 3) };
    }
    return status;
}

int store_metrics_get(struct store *store, const struct metric_query *query,
                      struct metric_series **ret, size_t *ret_n, struct err *err)
{
    struct metric_series *series = NULL;
    struct found *found = NULL;
    size_t n = 0;
    int status = find_series(store, query, &series, &found, &n, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        int64_t to =
            query->to < 0 || query->to > found[i].last_step ? found[i].last_step : query->to;
        series[i].raw = found[i].rows;
        if (query->from > 0 || to < found[i].last_step)
            status = store_get_int(store, SQL_METRIC_COUNT, 0, &series[i].raw, err, "iiii",
                                   query->run, found[i].id, query->from, to);
        if (status != 0)
            break;
        if (query->points == 0 || series[i].raw <= query->points)
            status = read_points(store, query->run, found[i].id, query->from, to, &series[i], err);
        else
            status = rollup_get(store, query->run, found[i].id, query->from, to, query->points,
                                &series[i].buckets, &series[i].n, err);
    }
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
    sqlite3_stmt *s = store_statement(store, SQL_NAME_TEXT, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "i", name);
    int status = store_step(store, s, err);
    if (status < 0)
        return status;
    series.name = store_text(s, 0, false);
    sqlite3_reset(s);
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
