/* Experiments: added with all their runs, read with counts over those, changed, cancelled,
 * deleted. */
#include "server/store/runs/store_experiments.h"

#include "common/base/clock.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_touches.h"
#include "server/store/runs/store_transitions.h"
#include "server/store/search/store_page.h"
#include "server/store/search/store_parts.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

void experiment_row_done(struct experiment_row *row)
{
    free(row->name);
    free(row->notes);
    free(row->hypothesis);
    free(row->tags);
    free(row->spec);
    free(row->verdict);
    *row = (struct experiment_row){ 0 };
}

/* EXPERIMENT_COLUMNS, in order. */
static void experiment_from(sqlite3_stmt *statement, void *of)
{
    struct experiment_row *row = of;
    row->id = sqlite3_column_int64(statement, 0);
    row->name = store_text(statement, 1, false);
    row->notes = store_text(statement, 2, false);
    row->hypothesis = store_text(statement, 3, false);
    row->tags = store_text(statement, 4, false);
    row->spec = store_text(statement, 5, false);
    row->runs_n = sqlite3_column_int64(statement, 6);
    row->created_at = sqlite3_column_int64(statement, 7);
    row->deleted_at = sqlite3_column_int64(statement, 8);
    int64_t active = 0;
    for (int state = 0; state < RUN_STATES; state++)
        row->counts[state] = sqlite3_column_int64(statement, 9 + state);
    active = row->counts[RUN_QUEUED] + row->counts[RUN_RUNNING];
    row->steps_done = sqlite3_column_int64(statement, 14);
    row->steps_total = sqlite3_column_int64(statement, 15);
    row->started_at = sqlite3_column_int64(statement, 16);
    row->ended_at = active == 0 ? sqlite3_column_int64(statement, 17) : 0;
    row->parent = sqlite3_column_int64(statement, 18);
    row->priority = sqlite3_column_int64(statement, 19);
    row->verdict = store_text(statement, 20, true);
}

int store_experiment_known(struct store *store, int64_t id, struct err *err)
{
    int64_t n = 0;
    int status = store_get_int(store, SQL_EXPERIMENT_KNOWN, 0, &n, err, "i", id);
    return status != 0 || n > 0 ? status
                                : err_set(err, ERR_BAD_PARAMETER,
                                          "parent: there is no experiment %lld", (long long)id);
}

int store_experiment_by_key(struct store *store, const char *key, const char *body_digest,
                            int64_t *ret_id, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_EXPERIMENT_BY_KEY, &statement, err, "t", key);
    if (status < 0)
        return status;
    if (status == 0) {
        *ret_id = 0;
        return 0;
    }
    int64_t id = sqlite3_column_int64(statement, 0);
    bool same = strcmp((const char *)sqlite3_column_text(statement, 1), body_digest) == 0;
    bool deleted = sqlite3_column_int64(statement, 2) != 0;
    sqlite3_reset(statement);
    if (!same)
        return err_set(err, ERR_IDEMPOTENCY_MISMATCH,
                       "this Idempotency-Key was used for another request body (experiment %lld)",
                       (long long)id);
    if (deleted)
        return err_set(err, ERR_CONFLICT,
                       "this Idempotency-Key made experiment %lld, which was deleted",
                       (long long)id);
    *ret_id = id;
    return 0;
}

/* Runs come seed by seed: one that repeats the cell of the run `period` before it has its parts. */
struct parts_seen {
    struct run_parts *of; /* of each run so far */
    size_t period;        /* 0 = no run has repeated the first one's cell */
};

static bool same_cell(const struct new_run *a, const struct new_run *b)
{
    return strcmp(a->arm, b->arm) == 0 && strcmp(a->grid, b->grid) == 0;
}

static int find_parts(struct store *store, const struct new_run *runs, size_t i,
                      struct parts_seen *seen, struct err *err)
{
    if (seen->period == 0 && i > 0 && same_cell(&runs[i], &runs[0]))
        seen->period = i;
    if (seen->period > 0 && same_cell(&runs[i], &runs[i - seen->period])) {
        seen->of[i] = seen->of[i - seen->period];
        return 0;
    }
    return store_parts_put(store, runs[i].spec, runs[i].grid, &seen->of[i], err);
}

static int add_runs(struct store *store, int64_t experiment, const struct new_run *runs, size_t n,
                    int64_t now, struct err *err)
{
    int64_t gone = 0;
    struct parts_seen seen = { calloc(n + 1, sizeof *seen.of), 0 };
    int status = seen.of == NULL ? err_no_memory(err, "%zu runs", n) : 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        const struct new_run *run = &runs[i];
        if ((status = find_parts(store, runs, i, &seen, err)) != 0)
            break;
        const int64_t *parts = seen.of[i].ids;
        status = store_run_sql(
            store, SQL_RUN_ADD, NULL, err, "ittiiiiitttiiditiiiii", experiment, run->arm, run->grid,
            run->seed, run->priority, (int64_t)run->exclusive, run->max_attempts, run->steps,
            run->spec, run->digest, run->dataset_digest, run->cost.parameters,
            run->cost.memory_bytes, run->cost.flops_per_step, now, run->cell, run->windows,
            parts[PART_OF_DATA], parts[PART_OF_MODEL], parts[PART_OF_TRAIN], parts[PART_OF_GRID]);
    }
    free(seen.of);
    /* The corpus was there when the spec was resolved; from here on it stays for these runs. */
    if (status == 0)
        status = store_get_int(store, SQL_EXPERIMENT_DATASET_GONE, -1, &gone, err, "i", experiment);
    if (status == 0 && gone != -1)
        status = err_set(err, ERR_CONFLICT, "the dataset was deleted while this was submitted");
    return status;
}

int store_experiment_add(struct store *store, const struct new_experiment *new, int64_t *ret_id,
                         bool *ret_existing, struct err *err)
{
    int64_t id = 0, now = clock_wall_ms();
    int status = new->idempotency_key != NULL ? store_experiment_by_key(store, new->idempotency_key,
                                                                        new->body_digest, &id, err)
                                              : 0;
    if (status != 0)
        return status;
    if (id > 0) {
        *ret_id = id;
        *ret_existing = true;
        return 0;
    }
    status = store_run_sql(store, SQL_EXPERIMENT_ADD, NULL, err, "tttttttiitti", new->name,
                           new->notes, new->hypothesis, new->tags, new->spec, new->metric,
                           new->goal, (int64_t) new->runs_n, now, new->idempotency_key,
                           new->body_digest, new->parent);
    if (status != 0)
        return status;
    id = sqlite3_last_insert_rowid(store->db);
    status = store_run_sql(store, SQL_TAGS_PUT, NULL, err, "i", id);
    if (status == 0)
        status = add_runs(store, id, new->runs, new->runs_n, now, err);
    if (status != 0)
        return status;
    store_touch_experiment(store, id);
    store_touch_queue(store);
    *ret_id = id;
    *ret_existing = false;
    return 0;
}

static void cell_from(sqlite3_stmt *statement, void *of)
{
    struct trained_cell *row = of;
    row->arm = store_text(statement, 0, false);
    row->grid = store_text(statement, 1, false);
    row->spec = store_text(statement, 2, false);
    row->dataset_digest = store_text(statement, 3, true);
    row->priority = sqlite3_column_int64(statement, 4);
    row->max_attempts = sqlite3_column_int64(statement, 5);
    row->exclusive = sqlite3_column_int(statement, 6) != 0;
    row->cell = store_text(statement, 7, true);
    row->windows = sqlite3_column_int64(statement, 8);
}

static void cell_done(void *of)
{
    struct trained_cell *row = of;
    free(row->arm);
    free(row->grid);
    free(row->spec);
    free(row->dataset_digest);
    free(row->cell);
}

void trained_cells_free(struct trained_cell *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cell_done(&rows[i]);
    free(rows);
}

static int size_of(struct store *store, int64_t id, int64_t *ret, struct err *err)
{
    int status = store_get_int(store, SQL_EXPERIMENT_SIZE, -1, ret, err, "i", id);
    return status == 0 && *ret < 0
               ? err_set(err, ERR_NOT_FOUND, "there is no experiment %lld", (long long)id)
               : status;
}

int store_experiment_cells(struct store *store, int64_t id, struct trained_cell **ret,
                           size_t *ret_n, struct err *err)
{
    static const struct store_rows cells = { sizeof **ret, cell_from, cell_done };
    int64_t runs = 0;
    int status = size_of(store, id, &runs, err);
    return status == 0
               ? store_all(store, SQL_EXPERIMENT_CELLS, &cells, (void **)ret, ret_n, err, "i", id)
               : status;
}

int store_experiment_grow(struct store *store, int64_t id, const struct new_run *runs, size_t n,
                          size_t most, struct err *err)
{
    int64_t before = 0, known = 0;
    int status = size_of(store, id, &before, err);
    if (status == 0 && (size_t)before + n > most)
        return err_set(err, ERR_TOO_MANY_RUNS,
                       "there are %lld runs; with %zu more there would be more than %zu",
                       (long long)before, n, most);
    for (size_t i = 0; i < n && status == 0; i++) {
        if (i > 0 && runs[i].seed == runs[i - 1].seed)
            continue; /* runs come seed by seed */
        status = store_get_int(store, SQL_EXPERIMENT_SEED, -1, &known, err, "ii", id, runs[i].seed);
        if (status == 0 && known != -1)
            status =
                err_set(err, ERR_CONFLICT, "seed %lld has runs already", (long long)runs[i].seed);
    }
    if (status == 0)
        status = store_run_sql(store, SQL_EXPERIMENT_GROW, NULL, err, "ii", id, (int64_t)n);
    if (status == 0)
        status = add_runs(store, id, runs, n, clock_wall_ms(), err);
    if (status != 0)
        return status;
    store_touch_experiment(store, id);
    store_touch_queue(store);
    return 0;
}

/* One that was deleted can be had back, and that is worth saying. */
static int say_missing(struct store *store, int64_t id, struct err *err)
{
    int64_t deleted_at = 0;
    char when[CLOCK_ISO_BYTES];
    int status = store_get_int(store, SQL_EXPERIMENT_STANDING, 0, &deleted_at, err, "i", id);
    if (status != 0)
        return status;
    if (deleted_at == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no experiment %lld", (long long)id);
    clock_iso(deleted_at, when);
    return err_set(err, ERR_NOT_FOUND,
                   "experiment %lld was deleted at %s; POST to its /restore brings it back",
                   (long long)id, when);
}

int store_experiment_get(struct store *store, int64_t id, struct experiment_row *ret,
                         struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_EXPERIMENT_GET, &statement, err, "i", id);
    if (status < 0)
        return status;
    if (status == 0)
        return say_missing(store, id, err);
    struct experiment_row row = { 0 };
    experiment_from(statement, &row);
    sqlite3_reset(statement);
    if ((status = store_audit_counts(store, id, row.audits, err)) != 0) {
        experiment_row_done(&row);
        return status;
    }
    *ret = row;
    return 0;
}

void experiment_list_done(struct experiment_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        experiment_row_done(&list->items[i]);
    free(list->items);
    for (size_t i = 0; i < list->tokens_n; i++)
        free(list->tokens[i]);
    free(list->tokens);
    *list = (struct experiment_list){ 0 };
}

static int add_item(struct store *store, const struct page_item *item, struct experiment_list *list,
                    struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_EXPERIMENT_LISTED, &statement, err, "i", item->id);
    if (status <= 0)
        return status;
    struct experiment_row *row = store_grow((void **)&list->items, &list->n, sizeof *list->items);
    if (row != NULL)
        experiment_from(statement, row);
    sqlite3_reset(statement);
    char **token =
        row == NULL ? NULL : store_grow((void **)&list->tokens, &list->tokens_n, sizeof *token);
    if (token == NULL || (*token = strdup(item->token)) == NULL)
        return err_no_memory(err, "a page of experiments");
    return store_audit_counts(store, item->id, row->audits, err);
}

int store_experiment_list(struct store *store, const struct experiment_query *query,
                          struct experiment_list *ret, struct err *err)
{
    const struct page_query asked = { .of = FILTER_EXPERIMENTS,
                                      .deleted = query->deleted,
                                      .filter = query->filter,
                                      .order = query->order,
                                      .token = query->page_token,
                                      .size = query->page_size };
    struct experiment_list list = { 0 };
    struct page page;
    int status = store_page(store, &asked, &page, err);
    if (status != 0)
        return status;
    list.more = page.more;
    for (size_t i = 0; i < page.n && status == 0; i++)
        status = add_item(store, &page.items[i], &list, err);
    page_done(&page);
    if (status < 0) {
        experiment_list_done(&list);
        return status;
    }
    *ret = list;
    return 0;
}

static int must_change(int status, int64_t changes, int64_t id, struct err *err)
{
    if (status == 0 && changes == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no experiment %lld", (long long)id);
    return status;
}

int store_experiment_patch(struct store *store, int64_t id, const char *name, const char *notes,
                           const char *tags, struct err *err)
{
    int64_t changes = 0;
    int status =
        store_run_sql(store, SQL_EXPERIMENT_PATCH, &changes, err, "ittt", id, name, notes, tags);
    status = must_change(status, changes, id, err);
    if (status == 0 && tags != NULL)
        status = store_run_sql(store, SQL_TAGS_CLEAR, NULL, err, "i", id);
    if (status == 0 && tags != NULL)
        status = store_run_sql(store, SQL_TAGS_PUT, NULL, err, "i", id);
    if (status == 0)
        store_touch_experiment(store, id);
    return status;
}

/* Nothing may work in an experiment's folders when it is deleted. */
static int need_rest(struct store *store, int64_t id, struct err *err)
{
    static const struct {
        enum sql count;
        const char *one, *many, *hint;
    } rows[] = {
        { SQL_EXPERIMENT_RUNNING, "run is running", "runs are running", "cancel it first" },
        { SQL_EXPERIMENT_VERIFYING, "run is being verified", "runs are being verified",
          "wait for the end, or cancel: that ends verifications and leaves what is stored" },
    };
    int status = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == 0; i++) {
        int64_t n = 0;
        status = store_get_int(store, rows[i].count, 0, &n, err, "i", id);
        if (status == 0 && n > 0)
            status = err_set(err, ERR_CONFLICT, "%lld %s in experiment %lld; %s", (long long)n,
                             n == 1 ? rows[i].one : rows[i].many, (long long)id, rows[i].hint);
    }
    return status;
}

static int need_standing(struct store *store, int64_t id, struct err *err)
{
    int64_t deleted_at = 0;
    int status = store_get_int(store, SQL_EXPERIMENT_STANDING, -1, &deleted_at, err, "i", id);
    return status == 0 && deleted_at != 0 ? say_missing(store, id, err) : status;
}

static int hide(struct store *store, int64_t id, struct err *err)
{
    int status = need_standing(store, id, err);
    if (status == 0)
        status = need_rest(store, id, err);
    if (status == 0)
        status = store_run_sql(store, SQL_EXPERIMENT_DELETE, NULL, err, "ii", id, clock_wall_ms());
    if (status == 0)
        store_touch_experiment(store, id);
    return status;
}

int store_experiment_delete(struct store *store, int64_t id, struct run_slice *slice,
                            struct err *err)
{
    int status = slice->more ? 0 : hide(store, id, err);
    return status == 0 ? store_runs_cancel(store, id, slice, err) : status;
}

int store_experiment_cancel(struct store *store, int64_t id, struct run_slice *slice,
                            struct err *err)
{
    int status = need_standing(store, id, err);
    return status == 0 ? store_runs_cancel(store, id, slice, err) : status;
}

int store_deleted_cancel(struct store *store, bool *ret_more, struct err *err)
{
    int64_t id = 0;
    struct run_slice slice = { 0 };
    int status = store_get_int(store, SQL_DELETED_ACTIVE, 0, &id, err, "");
    if (status == 0 && id > 0)
        status = store_runs_cancel(store, id, &slice, err);
    if (status == 0)
        *ret_more = slice.after > 0; /* there may be others */
    return status;
}
