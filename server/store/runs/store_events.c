/* The event feed: what a transaction touched becomes rows of `events`, one a thing.
 *
 * Order within a commit: metrics before the run's state, runs before their experiment, so that a
 * reader who sees "succeeded" has seen every point before it. */

#include "server/store/runs/store_events.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_KEPT = 1000000,
    LOG_LINES = 32 /* of a run, that a commit tells: more would flood the events */
};

const char *const event_kind_names[] = { "run",   "metrics", "audit", "experiment",
                                         "queue", "log",     NULL };

void event_row_done(struct event_row *row)
{
    free(row->data);
    *row = (struct event_row){ 0 };
}

/* Rows as they are added. */
struct flush {
    struct store *store;
    int64_t at_ms;
    struct event_row *rows;
    size_t n;
};

/* Touches of one thing, or of what one run's rows tell together. */
struct group {
    const struct touch **of;
    size_t n;
};

static int add_row(struct flush *flush, const struct touch *of, const char *data, struct err *err)
{
    int status = store_run_sql(flush->store, SQL_EVENT_ADD, NULL, err, "itiit", flush->at_ms,
                               event_kind_names[of->kind], of->experiment, of->run, data);
    if (status != 0)
        return status;
    struct event_row *row = store_grow((void **)&flush->rows, &flush->n, sizeof *flush->rows);
    if (row == NULL)
        return err_no_memory(err, "an event");
    row->seq = sqlite3_last_insert_rowid(flush->store->db);
    row->kind = of->kind;
    row->experiment = of->experiment;
    row->run = of->run;
    row->data = data != NULL ? strdup(data) : NULL;
    return data != NULL && row->data == NULL ? err_no_memory(err, "an event") : 0;
}

/* Everything that the transaction stored of one run's metrics, as [[name id, first step, last
 * step], …]. */
static int add_metrics(struct flush *flush, const struct group *group, struct err *err)
{
    struct buf ranges;
    buf_init(&ranges, 0);
    for (size_t i = 0; i < group->n; i++) {
        const struct touch *t = group->of[i];
        buf_addf(&ranges, "%s[%lld,%lld,%lld]", i == 0 ? "[" : ",", (long long)t->name,
                 (long long)t->from, (long long)t->to);
    }
    buf_addc(&ranges, ']');
    int status = ranges.failed ? err_no_memory(err, "an event")
                               : add_row(flush, group->of[0], ranges.data, err);
    buf_done(&ranges);
    return status;
}

/* A run's log lines, the first of them: a flood would push everybody's events out of the table, and
 * readers of the events out of the door. All of them stand in the attempt's file. */
static int add_log(struct flush *flush, const struct group *group, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < group->n && i < LOG_LINES && status == 0; i++)
        status = add_row(flush, group->of[i], group->of[i]->data, err);
    char more[96];
    snprintf(more, sizeof more, "{\"level\":\"warn\",\"message\":\"%zu more lines: see the log\"}",
             group->n - LOG_LINES);
    return status == 0 && group->n > LOG_LINES ? add_row(flush, group->of[0], more, err) : status;
}

static int add_audits(struct flush *flush, const struct group *group, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < group->n && status == 0; i++) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)group->of[i]->id);
        status = add_row(flush, group->of[i], number, err);
    }
    return status;
}

/* A thing may stand once per savepoint; it is told once per commit. */
static int add_once(struct flush *flush, const struct group *group, struct err *err)
{
    return add_row(flush, group->of[0], NULL, err);
}

/* In the order in which a commit tells of them. */
static const struct {
    enum event_kind kind;
    int (*add)(struct flush *, const struct group *, struct err *);
} kinds[] = {
    { EVENT_METRICS, add_metrics }, { EVENT_AUDIT, add_audits },    { EVENT_LOG, add_log },
    { EVENT_RUN, add_once },        { EVENT_EXPERIMENT, add_once }, { EVENT_QUEUE, add_once },
};

/* Groups stand together, in the order of the list within each. */
static int by_group(const void *a, const void *b)
{
    const struct touch *x = *(const struct touch *const *)a, *y = *(const struct touch *const *)b;
    const int64_t keys[][2] = {
        { x->kind, y->kind }, { x->experiment, y->experiment }, { x->run, y->run }, { x->id, y->id }
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return (x > y) - (x < y);
}

static int by_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->of[0] > y->of[0]) - (x->of[0] < y->of[0]);
}

static bool same_group(const struct touch *a, const struct touch *b)
{
    return a->kind == b->kind && a->experiment == b->experiment && a->run == b->run &&
           a->id == b->id;
}

/* Fills groups (zeroed), in the order in which each was touched first; returns how many there are.
 */
static size_t find_groups(const struct touches *all, const struct touch **sorted,
                          struct group *groups)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        sorted[i] = &all->of[i];
    qsort(sorted, all->n, sizeof(struct touch *), by_group);
    for (size_t i = 0; i < all->n; i++) {
        if (n == 0 || !same_group(groups[n - 1].of[0], sorted[i]))
            groups[n++].of = &sorted[i];
        groups[n - 1].n++;
    }
    qsort(groups, n, sizeof *groups, by_first);
    return n;
}

int store_events_flush(struct store *store, struct event_row **ret, size_t *ret_n, struct err *err)
{
    struct flush flush = { .store = store, .at_ms = clock_wall_ms() };
    size_t touched = store->touches.n;
    const struct touch **sorted = calloc(touched + 1, sizeof(struct touch *));
    struct group *groups = calloc(touched + 1, sizeof *groups);
    int status = store->touches.lost || sorted == NULL || groups == NULL
                     ? err_no_memory(err, "the events")
                     : 0;
    size_t n = status == 0 ? find_groups(&store->touches, sorted, groups) : 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < n && status == 0; i++)
            if (groups[i].of[0]->kind == kinds[k].kind)
                status = kinds[k].add(&flush, &groups[i], err);
    if (status == 0 && flush.n > 0)
        status = store_run_sql(store, SQL_EVENT_PRUNE, NULL, err, "i",
                               flush.rows[flush.n - 1].seq - EVENTS_KEPT);
    store_touches_clear(store);
    free(sorted);
    free(groups);
    if (status != 0) {
        for (size_t i = 0; i < flush.n; i++)
            event_row_done(&flush.rows[i]);
        free(flush.rows);
        return status;
    }
    *ret = flush.rows;
    *ret_n = flush.n;
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
    int64_t newest = 0, known = 0;
    int status = store_get_int(store, SQL_EVENT_KNOWN, 0, &known, err, "i", after);
    if (status == 0)
        status = store_as_of(store, &newest, err);
    if (status == 0)
        status = store_all(store, SQL_EVENT_LIST, &rows, (void **)ret, ret_n, err, "ii", after,
                           (int64_t)limit);
    if (status == 0)
        *ret_lost = known == 0 && after != newest; /* pruned, or in a leap (store_identity.c) */
    return status;
}
