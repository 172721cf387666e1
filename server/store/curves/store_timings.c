/* Every span begins with an edge up and ends with one down. Sorted, they say at each moment how
 * many spans last; busy[i] adds up the time before edge i in which there were two or more. A span
 * is one of them all along, so that the difference of busy between its ends is the time it shared.
 */
#include "server/store/curves/store_timings.h"

#include "common/base/clock.h"
#include "common/base/shortage.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

struct edge {
    int64_t at, busy;
    int change, level; /* level: spans that last behind the edge */
};

static int by_time(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->change - y->change;
}

/* The time before `at` in which two or more lasted. */
static int64_t busy_before(const struct edge *edges, size_t n, int64_t at)
{
    size_t low = 0, high = n; /* the first edge that isn't before `at` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edges[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    const struct edge *last = &edges[low - 1];
    return last->busy + (last->level >= 2 ? at - last->at : 0);
}

int timing_shared(const struct timing_span *all, size_t n, const struct timing_span *own,
                  size_t own_n, int64_t *ret, struct err *err)
{
    struct edge *edges = calloc(2 * n + 1, sizeof *edges);
    if (edges == NULL)
        return err_no_memory(err, "%zu attempts", n);
    for (size_t i = 0; i < n; i++) {
        edges[2 * i] = (struct edge){ .at = all[i].from, .change = 1 };
        edges[2 * i + 1] = (struct edge){ .at = all[i].to, .change = -1 };
    }
    qsort(edges, 2 * n, sizeof *edges, by_time);
    for (size_t i = 0; i < 2 * n; i++) {
        const struct edge none = { .at = edges[i].at }, *before = i > 0 ? &edges[i - 1] : &none;
        edges[i].level = before->level + edges[i].change;
        edges[i].busy = before->busy + (before->level >= 2 ? edges[i].at - before->at : 0);
    }
    for (size_t i = 0; i < own_n; i++)
        ret[i] = busy_before(edges, 2 * n, own[i].to) - busy_before(edges, 2 * n, own[i].from);
    free(edges);
    return 0;
}

/* The attempts of an experiment's runs, in the same order twice: as rows, and when they were. */
struct own {
    struct timing_row *rows;
    struct timing_span *spans;
    int64_t *shared;
    size_t n, spans_n;
};

static int read_own(struct store *store, int64_t experiment, int64_t now, struct own *own,
                    struct err *err)
{
    sqlite3_stmt *s = NULL;
    char *first = NULL; /* the environment of the first that told one */
    int status = store_query(store, SQL_TIMING_LIST, &s, err, "ii", experiment, now);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        struct timing_row *row = store_grow((void **)&own->rows, &own->n, sizeof *row);
        struct timing_span *span = store_grow((void **)&own->spans, &own->spans_n, sizeof *span);
        if (row == NULL || span == NULL) {
            sqlite3_reset(s);
            free(first);
            return err_no_memory(err, "the attempts");
        }
        const char *here = (const char *)sqlite3_column_text(s, 5);
        if (first == NULL && here != NULL)
            first = shortage_strdup(here);
        *span = (struct timing_span){ sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2) };
        span->to = span->to > span->from ? span->to : span->from; /* a clock was set back */
        bool told = sqlite3_column_type(s, 3) != SQLITE_NULL;
        *row = (struct timing_row){ .run = sqlite3_column_int64(s, 0),
                                    .ms = span->to - span->from,
                                    .told_ms = told ? span->to - span->from : 0,
                                    .elsewhere =
                                        here != NULL && first != NULL && strcmp(here, first) != 0,
                                    .steal_share = told ? store_real(s, 3) : 0,
                                    .other_cores = told ? store_real(s, 4) : 0 };
    }
    free(first);
    return status;
}

static void span_from(sqlite3_stmt *s, void *of)
{
    struct timing_span *span = of;
    *span = (struct timing_span){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1) };
    span->to = span->to > span->from ? span->to : span->from;
}

/* Attempts of any run between the first start and the last end of the experiment's. */
static int read_all(struct store *store, int64_t experiment, int64_t now, struct timing_span **ret,
                    size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, span_from, NULL };
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_TIMING_BOUNDS, &s, err, "ii", experiment, now);
    if (status < 0)
        return status;
    int64_t from = status == 1 ? sqlite3_column_int64(s, 0) : 0;
    int64_t to = status == 1 ? sqlite3_column_int64(s, 1) : 0;
    sqlite3_reset(s);
    return store_all(store, SQL_TIMING_SPANS, &rows, (void **)ret, ret_n, err, "iii", from, to,
                     now);
}

/* Attempts of one run become one row, their figures weighted by their time. */
static void join(struct own *own)
{
    size_t n = 0;
    for (size_t i = 0; i < own->n; i++) {
        struct timing_row row = own->rows[i], *to = n > 0 ? &own->rows[n - 1] : NULL;
        row.shared_ms = own->shared[i];
        if (to == NULL || to->run != row.run) {
            own->rows[n++] = row;
            continue;
        }
        int64_t told = to->told_ms + row.told_ms;
        double a = told > 0 ? (double)to->told_ms / (double)told : 0,
               b = told > 0 ? (double)row.told_ms / (double)told : 0;
        *to = (struct timing_row){ .run = row.run,
                                   .ms = to->ms + row.ms,
                                   .shared_ms = to->shared_ms + row.shared_ms,
                                   .told_ms = told,
                                   .elsewhere = to->elsewhere || row.elsewhere,
                                   .steal_share = a * to->steal_share + b * row.steal_share,
                                   .other_cores = a * to->other_cores + b * row.other_cores };
    }
    own->n = n;
}

int store_timings(struct store *store, int64_t experiment, struct timing_row **ret, size_t *ret_n,
                  struct err *err)
{
    struct own own = { 0 };
    struct timing_span *all = NULL;
    size_t n = 0;
    int64_t now = clock_wall_ms();
    int status = read_own(store, experiment, now, &own, err);
    if (status == 0)
        status = read_all(store, experiment, now, &all, &n, err);
    if (status == 0 && (own.shared = calloc(own.n + 1, sizeof *own.shared)) == NULL)
        status = err_no_memory(err, "the attempts");
    if (status == 0)
        status = timing_shared(all, n, own.spans, own.spans_n, own.shared, err);
    if (status == 0) {
        join(&own);
        *ret = own.rows;
        *ret_n = own.n;
    } else {
        free(own.rows);
    }
    free(own.spans);
    free(own.shared);
    free(all);
    return status;
}
