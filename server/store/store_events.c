/* The event feed: what a transaction touched becomes rows of `events`, one a thing.
 *
 * Order within a commit: metrics before the run's state, runs before their experiment, so that a
 * reader who sees "succeeded" has seen every point before it. */
#include "server/store/store_audits.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/jsonx.h"
#include "server/store/store_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_KEPT = 1000000,
    LOG_LINES = 32 /* of a run that a commit tells; who says more than that floods */
};

const char *const event_kind_names[] = { "run",   "metrics", "audit", "experiment",
                                         "queue", "log",     NULL };

/* Kinds in the order in which a commit tells of them. */
static const enum event_kind flush_order[] = { EVENT_METRICS, EVENT_AUDIT,      EVENT_LOG,
                                               EVENT_RUN,     EVENT_EXPERIMENT, EVENT_QUEUE };

void event_row_done(struct event_row *row)
{
    free(row->data);
    *row = (struct event_row){ 0 };
}

static void truncate_touches(struct store *store, size_t n)
{
    while (store->touches_n > n)
        free(store->touches[--store->touches_n].data);
}

void store_touches_rollback(struct store *store)
{
    truncate_touches(store, store->touches_mark);
}

void store_touches_clear(struct store *store)
{
    truncate_touches(store, 0);
    store->touches_mark = 0;
}

/* Every log line and every finding is a thing of its own: there may be many, and none is looked
 * for among the others. */
static bool is_single(enum event_kind kind)
{
    return kind == EVENT_LOG || kind == EVENT_AUDIT;
}

/* Marks a thing once per savepoint; memory that runs out loses an event, never data. */
static struct touch *touch(struct store *store, const struct touch *what)
{
    for (size_t i = store->touches_n; i > store->touches_mark && !is_single(what->kind); i--) {
        struct touch *old = &store->touches[i - 1];
        if (old->kind == what->kind && old->run == what->run &&
            old->experiment == what->experiment && old->id == what->id && old->name == what->name)
            return old;
    }
    if (store->touches_n == store->touches_size) {
        size_t size = store->touches_size == 0 ? 64 : store->touches_size * 2;
        struct touch *more = reallocarray(store->touches, size, sizeof *more);
        if (more == NULL)
            return NULL;
        store->touches = more;
        store->touches_size = size;
    }
    struct touch *new = &store->touches[store->touches_n++];
    *new = *what;
    return new;
}

void store_touch_run(struct store *store, int64_t experiment, int64_t run)
{
    touch(store, &(struct touch){ .kind = EVENT_RUN, .experiment = experiment, .run = run });
}

void store_touch_ended(struct store *store, int64_t experiment, int64_t run)
{
    struct touch *mark =
        touch(store, &(struct touch){ .kind = EVENT_RUN, .experiment = experiment, .run = run });
    if (mark != NULL)
        mark->ended = true;
}

void store_touch_experiment(struct store *store, int64_t experiment)
{
    touch(store, &(struct touch){ .kind = EVENT_EXPERIMENT, .experiment = experiment });
}

void store_touch_metrics(struct store *store, int64_t experiment, int64_t run, int64_t name,
                         int64_t from, int64_t to)
{
    struct touch *mark = touch(store, &(struct touch){ .kind = EVENT_METRICS,
                                                       .experiment = experiment,
                                                       .run = run,
                                                       .name = name,
                                                       .from = from,
                                                       .to = to });
    if (mark != NULL) {
        mark->from = from < mark->from ? from : mark->from;
        mark->to = to > mark->to ? to : mark->to;
    }
}

void store_touch_audit(struct store *store, int64_t experiment, int64_t run, int64_t audit)
{
    touch(store, &(struct touch){
                     .kind = EVENT_AUDIT, .experiment = experiment, .run = run, .id = audit });
}

void store_touch_log(struct store *store, int64_t experiment, int64_t run, const char *data)
{
    struct touch *mark =
        touch(store, &(struct touch){ .kind = EVENT_LOG, .experiment = experiment, .run = run });
    if (mark != NULL)
        mark->data = strdup(data);
}

void store_touch_queue(struct store *store)
{
    touch(store, &(struct touch){ .kind = EVENT_QUEUE });
}

static int add_row(struct store *store, const struct touch *of, const char *data,
                   struct event_row **rows, size_t *n, struct err *err)
{
    int status = store_run_sql(store, SQL_EVENT_ADD, NULL, err, "itiit", clock_wall_ms(),
                               event_kind_names[of->kind], of->experiment, of->run, data);
    if (status != 0)
        return status;
    struct event_row *row = store_grow((void **)rows, n, sizeof **rows);
    if (row == NULL)
        return err_set(err, ERR_INTERNAL, "out of memory");
    row->seq = sqlite3_last_insert_rowid(store->db);
    row->kind = of->kind;
    row->experiment = of->experiment;
    row->run = of->run;
    row->data = data != NULL ? strdup(data) : NULL;
    return 0;
}

/* Everything that the transaction stored of one run's metrics, as [[name id, first step, last
 * step], …]. */
static int add_metrics_row(struct store *store, size_t first, bool *done, struct event_row **rows,
                           size_t *n, struct err *err)
{
    struct buf ranges;
    buf_init(&ranges, 0);
    const struct touch *run = &store->touches[first];
    for (size_t i = first; i < store->touches_n; i++) {
        const struct touch *t = &store->touches[i];
        if (t->kind != EVENT_METRICS || t->run != run->run)
            continue;
        done[i] = true;
        buf_addf(&ranges, "%s[%lld,%lld,%lld]", ranges.len == 0 ? "[" : ",", (long long)t->name,
                 (long long)t->from, (long long)t->to);
    }
    buf_addc(&ranges, ']');
    int status = ranges.failed ? err_set(err, ERR_INTERNAL, "out of memory")
                               : add_row(store, run, ranges.data, rows, n, err);
    buf_done(&ranges);
    return status;
}

static bool same_thing(const struct touch *a, const struct touch *b)
{
    return a->kind == b->kind && a->run == b->run && a->experiment == b->experiment &&
           a->id == b->id;
}

/* A run's log lines, the first of them: a flood would push everybody's events out of the table, and
 * readers of the events out of the door. All of them stand in the attempt's file. */
static int add_log_rows(struct store *store, size_t first, bool *done, struct event_row **rows,
                        size_t *n, struct err *err)
{
    const struct touch *run = &store->touches[first];
    size_t lines = 0;
    int status = 0;
    for (size_t i = first; i < store->touches_n; i++) {
        const struct touch *t = &store->touches[i];
        if (t->kind != EVENT_LOG || t->run != run->run)
            continue;
        done[i] = true;
        if (lines++ < LOG_LINES && status == 0)
            status = add_row(store, t, t->data, rows, n, err);
    }
    char more[96];
    snprintf(more, sizeof more, "{\"level\":\"warn\",\"message\":\"%zu more lines: see the log\"}",
             lines - LOG_LINES);
    return status == 0 && lines > LOG_LINES ? add_row(store, run, more, rows, n, err) : status;
}

int store_events_flush(struct store *store, struct event_row **ret, size_t *ret_n, struct err *err)
{
    struct event_row *rows = NULL;
    size_t n = 0;
    int status = 0;
    bool *done = calloc(store->touches_n + 1, sizeof *done);
    if (done == NULL)
        return err_set(err, ERR_INTERNAL, "out of memory");
    for (size_t k = 0; k < sizeof flush_order / sizeof *flush_order && status == 0; k++) {
        for (size_t i = 0; i < store->touches_n && status == 0; i++) {
            const struct touch *t = &store->touches[i];
            if (done[i] || t->kind != flush_order[k])
                continue;
            if (t->kind == EVENT_METRICS) {
                status = add_metrics_row(store, i, done, &rows, &n, err);
                continue;
            }
            if (t->kind == EVENT_LOG) {
                status = add_log_rows(store, i, done, &rows, &n, err);
                continue;
            }
            /* A thing may stand once per savepoint; it is told once per commit. */
            for (size_t j = i; j < store->touches_n && !is_single(t->kind); j++)
                if (same_thing(t, &store->touches[j]))
                    done[j] = true;
            char number[32];
            snprintf(number, sizeof number, "%lld", (long long)t->id);
            status = add_row(store, t, t->kind == EVENT_AUDIT ? number : t->data, &rows, &n, err);
        }
    }
    if (status == 0 && n > 0)
        status =
            store_run_sql(store, SQL_EVENT_PRUNE, NULL, err, "i", rows[n - 1].seq - EVENTS_KEPT);
    store_touches_clear(store);
    free(done);
    if (status != 0) {
        for (size_t i = 0; i < n; i++)
            event_row_done(&rows[i]);
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

static enum event_kind kind_of(const char *name)
{
    for (int i = 0; event_kind_names[i] != NULL; i++)
        if (strcmp(name, event_kind_names[i]) == 0)
            return (enum event_kind)i;
    return EVENT_LOG;
}

static void event_from(sqlite3_stmt *statement, void *of)
{
    struct event_row *row = of;
    row->seq = sqlite3_column_int64(statement, 0);
    row->kind = kind_of((const char *)sqlite3_column_text(statement, 1));
    row->experiment = sqlite3_column_int64(statement, 2);
    row->run = sqlite3_column_int64(statement, 3);
    row->data = store_text(statement, 4, true);
}

static void event_done(void *row)
{
    event_row_done(row);
}

int store_events_list(struct store *store, int64_t after, size_t limit, struct event_row **ret,
                      size_t *ret_n, bool *ret_lost, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, event_from, event_done };
    int64_t first = 0, newest = 0;
    int status = store_get_int(store, SQL_EVENT_FIRST, 0, &first, err, "");
    if (status == 0)
        status = store_as_of(store, &newest, err);
    if (status == 0)
        status = store_all(store, SQL_EVENT_LIST, &rows, (void **)ret, ret_n, err, "ii", after,
                           (int64_t)limit);
    if (status == 0)
        *ret_lost = after > newest || (first > 0 && after + 1 < first);
    return status;
}
