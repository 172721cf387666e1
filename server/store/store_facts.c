#include "server/store/store_facts.h"

#include "server/store/store_priv.h"

#include <stdlib.h>
#include <string.h>

int store_facts_put(struct store *store, int64_t run, int64_t attempt, const char *init,
                    const char *consumed, const char *eval, struct err *err)
{
    return store_run_sql(store, SQL_FACTS_PUT, NULL, err, "iittt", run, attempt, init, consumed,
                         eval);
}

void fact_rows_free(struct fact_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rows[i].arm);
        free(rows[i].grid);
        free(rows[i].consumed);
        free(rows[i].eval);
    }
    free(rows);
}

int store_facts_list(struct store *store, int64_t experiment, const char *metric,
                     struct fact_row **ret, size_t *ret_n, struct err *err)
{
    struct fact_row *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *s = store_statement(store, SQL_FACTS_LIST, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "it", experiment, metric);
    int status;
    while ((status = store_step(store, s, err)) == 1) {
        struct fact_row *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            status = err_set(err, ERR_NO_MEMORY, "no memory for %zu runs", n + 1);
            break;
        }
        *row = (struct fact_row){
            .run = sqlite3_column_int64(s, 0),
            .arm = store_text(s, 1, false),
            .grid = store_text(s, 2, false),
            .seed = sqlite3_column_int64(s, 3),
            .state = run_state_of((const char *)sqlite3_column_text(s, 4)),
            .consumed = store_text(s, 5, true),
            .eval = store_text(s, 6, true),
            .measured = sqlite3_column_type(s, 7) != SQLITE_NULL,
            .value = store_metric_value(s, 7),
        };
    }
    if (status < 0) {
        sqlite3_reset(s);
        fact_rows_free(rows, n);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

static int text_of(struct store *store, enum sql id, int64_t run, char **ret, struct err *err)
{
    sqlite3_stmt *s = store_statement(store, id, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "i", run);
    int status = store_step(store, s, err);
    if (status < 0)
        return status;
    *ret = status == 1 ? store_text(s, 0, false) : strdup("");
    sqlite3_reset(s);
    return *ret == NULL ? err_set(err, ERR_NO_MEMORY, "no memory for a run's facts") : 0;
}

int store_facts_spec(struct store *store, int64_t run, char **ret, struct err *err)
{
    return text_of(store, SQL_RUN_SPEC, run, ret, err);
}

int store_facts_init(struct store *store, int64_t run, char **ret, struct err *err)
{
    return text_of(store, SQL_FACTS_INIT, run, ret, err);
}

static bool is_among(const int64_t *ids, size_t n, int64_t id)
{
    while (n > 0 && ids[n - 1] != id)
        n--;
    return n > 0;
}

int store_ended_now(struct store *store, int64_t **ret, size_t *ret_n, struct err *err)
{
    int64_t *ids = NULL, ended;
    size_t n = 0, seen = 0;
    int status = 0;
    for (size_t i = 0; i < store->touches_n && status == 0; i++) {
        const struct touch *touch = &store->touches[i];
        if (!touch->ended || is_among(ids, n, touch->experiment))
            continue;
        int64_t *id = store_grow((void **)&ids, &n, sizeof *ids);
        if (id == NULL)
            status = err_set(err, ERR_NO_MEMORY, "no memory for %zu experiments", n + 1);
        else
            *id = touch->experiment;
    }
    for (size_t i = 0; i < n && status == 0; i++) {
        status = store_get_int(store, SQL_EXPERIMENT_ENDED, 0, &ended, err, "i", ids[i]);
        if (status == 0 && ended != 0)
            ids[seen++] = ids[i];
    }
    if (status != 0) {
        free(ids);
        return status;
    }
    *ret = ids;
    *ret_n = seen;
    return 0;
}
