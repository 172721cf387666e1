/* Runs: single rows, and pages of them (store_page.c finds which). */
#include "server/store/runs/store_runs.h"

#include "common/spec/metrics.h"
#include "server/store/search/store_page.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const run_state_names[] = { "queued", "running",   "succeeded",
                                        "failed", "cancelled", NULL };

void run_row_done(struct run_row *row)
{
    free(row->arm);
    free(row->grid);
    free(row->reason);
    free(row->digest);
    free(row->dataset_digest);
    free(row->spec);
    free(row->auditing);
    free(row->verify.reason);
    free(row->verify.difference);
    for (size_t i = 0; i < row->finals_n; i++)
        free((char *)row->finals[i].name);
    free(row->finals);
    *row = (struct run_row){ 0 };
}

void run_list_done(struct run_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        run_row_done(&list->items[i]);
    free(list->items);
    *list = (struct run_list){ 0 };
}

enum run_state run_state_of(const char *name)
{
    for (int i = 0; i < RUN_STATES; i++)
        if (strcmp(name, run_state_names[i]) == 0)
            return (enum run_state)i;
    return RUN_FAILED;
}

const char *const verify_state_names[] = { "",        "queued", "running", "identical",
                                           "differs", "failed", "skipped", NULL };

bool verify_is_open(enum verify_state state)
{
    return state == VERIFY_QUEUED || state == VERIFY_RUNNING;
}

enum verify_state verify_state_of(const char *name)
{
    for (int i = 0; name != NULL && i < VERIFY_STATES; i++)
        if (strcmp(name, verify_state_names[i]) == 0)
            return (enum verify_state)i;
    return VERIFY_NONE;
}

int store_run_states(struct store *store, int64_t ret[RUN_STATES], struct err *err)
{
    int64_t counts[RUN_STATES] = { 0 };
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_RUN_STATES, &s, err, "");
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1)
        counts[run_state_of((const char *)sqlite3_column_text(s, 0))] = sqlite3_column_int64(s, 1);
    if (status == 0)
        memcpy(ret, counts, sizeof counts);
    return status;
}

/* RUN_COLUMNS, in order. */
static void run_from(sqlite3_stmt *s, struct run_row *row)
{
    row->id = sqlite3_column_int64(s, 0);
    row->experiment = sqlite3_column_int64(s, 1);
    row->arm = store_text(s, 2, false);
    row->grid = store_text(s, 3, false);
    row->seed = sqlite3_column_int64(s, 4);
    row->state = run_state_of((const char *)sqlite3_column_text(s, 5));
    row->reason = store_text(s, 6, false);
    row->cancel = sqlite3_column_int(s, 7) != 0;
    row->priority = sqlite3_column_int64(s, 8);
    row->exclusive = sqlite3_column_int(s, 9) != 0;
    row->attempt = sqlite3_column_int64(s, 10);
    row->max_attempts = sqlite3_column_int64(s, 11);
    row->step = sqlite3_column_int64(s, 12);
    row->steps = sqlite3_column_int64(s, 13);
    row->digest = store_text(s, 14, false);
    row->dataset_digest = store_text(s, 15, true);
    row->parameters = sqlite3_column_int64(s, 16);
    row->memory_bytes = sqlite3_column_int64(s, 17);
    row->flops_per_step = sqlite3_column_double(s, 18);
    row->created_at = sqlite3_column_int64(s, 19);
    row->started_at = sqlite3_column_int64(s, 20);
    row->ended_at = sqlite3_column_int64(s, 21);
    row->verify = (struct run_verify){
        .state = verify_state_of((const char *)sqlite3_column_text(s, 22)),
        .attempt = sqlite3_column_int64(s, 23),
        .reason = store_text(s, 24, false),
        .cancel = sqlite3_column_int(s, 25) != 0,
        .compared = sqlite3_column_int64(s, 26),
        .difference = store_text(s, 27, true),
    };
    if (row->state == RUN_RUNNING)
        row->auditing = store_text(s, 28, true);
}

static double nonfinite(double value, int kind)
{
    static const double values[] = { 0, NAN, INFINITY, -INFINITY };
    return kind == 0 ? value : values[kind & 3];
}

/* The value of step 1; NaN when it isn't there or isn't finite. */
static int first_value(struct store *store, int64_t run, int64_t name, double *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_METRIC_GET, &s, err, "iii", run, name, (int64_t)1);
    if (status < 0)
        return status;
    *ret = status == 1 ? store_metric_value(s, 0) : (double)NAN;
    sqlite3_reset(s);
    return 0;
}

static int read_finals(struct store *store, struct run_row *row, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_RUN_FINALS, &s, err, "i", row->id);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        struct run_final *final =
            store_grow((void **)&row->finals, &row->finals_n, sizeof *row->finals);
        if (final == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a run's last values");
        }
        if ((final->name = store_text(s, 0, false)) == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a run's last values");
        }
        final->value = nonfinite(sqlite3_column_double(s, 1), sqlite3_column_int(s, 2));
        final->best = store_real(s, 3);
        final->greatest = store_real(s, 4);
        final->count = sqlite3_column_int64(s, 7);
        double sum = sqlite3_column_double(s, 5), n = (double) final->count, first = NAN;
        if (metric_is_clock(final->name) && n > 1 &&
            (status = first_value(store, row->id, sqlite3_column_int64(s, 9), &first, err)) != 0)
            break;
        final->mean = n <= 0 ? NAN : isfinite(first) ? (sum - first) / (n - 1) : sum / n;
        final->step = sqlite3_column_int64(s, 6);
        final->nonfinite = sqlite3_column_int64(s, 8);
    }
    return status;
}

int store_run_get(struct store *store, int64_t id, struct run_row *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_find_run(store, SQL_RUN_GET, id, &s, err);
    if (status != 0)
        return status;
    struct run_row row = { 0 };
    run_from(s, &row);
    row.spec = store_text(s, RUN_COLUMNS_N, false);
    sqlite3_reset(s);
    if ((status = read_finals(store, &row, err)) != 0) {
        run_row_done(&row);
        return status;
    }
    *ret = row;
    return 0;
}

int store_run_list(struct store *store, const struct run_query *query, struct run_list *ret,
                   struct err *err)
{
    const struct page_query asked = { .of = FILTER_RUNS,
                                      .experiment = query->experiment,
                                      .filter = query->filter,
                                      .order = query->order_by,
                                      .token = query->page_token,
                                      .size = query->page_size };
    struct run_list list = { 0 };
    struct page page;
    sqlite3_stmt *s = NULL;
    int status = store_page(store, &asked, &page, err);
    if (status != 0)
        return status;
    if (page.more)
        snprintf(list.next_page_token, sizeof list.next_page_token, "%s",
                 page.items[page.n - 1].token);
    for (size_t i = 0; i < page.n && status == 0; i++) {
        if ((status = store_first(store, SQL_RUN_LISTED, &s, err, "i", page.items[i].id)) <= 0)
            break;
        struct run_row *row = store_grow((void **)&list.items, &list.n, sizeof *list.items);
        if (row != NULL)
            run_from(s, row);
        sqlite3_reset(s);
        status = row != NULL ? read_finals(store, row, err) : err_no_memory(err, "a page of runs");
    }
    page_done(&page);
    if (status != 0) {
        run_list_done(&list);
        return status;
    }
    *ret = list;
    return 0;
}
