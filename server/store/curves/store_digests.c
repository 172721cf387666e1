/* The table `facts`, and which experiments have ended in this transaction. */
#include "server/store/curves/store_digests.h"

#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

int store_digests_put(struct store *store, int64_t run, int64_t attempt, const char *init,
                      const char *consumed, const char *eval, struct err *err)
{
    return store_run_sql(store, SQL_FACTS_PUT, NULL, err, "iittt", run, attempt, init, consumed,
                         eval);
}

int store_digests_guess(struct store *store, int64_t run, int64_t attempt, double unigram,
                        double bigram, struct err *err)
{
    return store_run_sql(store, SQL_FACTS_GUESS, NULL, err, "iidd", run, attempt, unigram, bigram);
}

static void digests_done(void *of)
{
    struct digests_row *row = of;
    free(row->arm);
    free(row->grid);
    free(row->consumed);
    free(row->eval);
    free(row->cell);
}

void digests_rows_free(struct digests_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        digests_done(&rows[i]);
    free(rows);
}

static void digests_from(sqlite3_stmt *s, void *row)
{
    *(struct digests_row *)row = (struct digests_row){
        .run = sqlite3_column_int64(s, 0),
        .arm = store_text(s, 1, false),
        .grid = store_text(s, 2, false),
        .seed = sqlite3_column_int64(s, 3),
        .state = run_state_of((const char *)sqlite3_column_text(s, 4)),
        .consumed = store_text(s, 5, true),
        .eval = store_text(s, 6, true),
        .measured = sqlite3_column_type(s, 7) != SQLITE_NULL,
        .value = store_metric_value(s, 7),
        .evaluated = sqlite3_column_type(s, 9) != SQLITE_NULL,
        .loss = store_metric_value(s, 9),
        .unigram = store_real(s, 11),
        .bigram = store_real(s, 12),
        .windows = sqlite3_column_int64(s, 13),
        .cell = store_text(s, 14, true),
    };
}

int store_digests_list(struct store *store, int64_t experiment, const char *metric,
                       struct digests_row **ret, size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, digests_from, digests_done };
    return store_all(store, SQL_FACTS_LIST, &rows, (void **)ret, ret_n, err, "it", experiment,
                     metric);
}

static void environment_done(void *row)
{
    free(((struct run_environment *)row)->text);
}

void run_environments_free(struct run_environment *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        environment_done(&rows[i]);
    free(rows);
}

static void environment_from(sqlite3_stmt *s, void *row)
{
    *(struct run_environment *)row =
        (struct run_environment){ sqlite3_column_int64(s, 0), store_text(s, 1, false) };
}

int store_digests_environments(struct store *store, int64_t experiment,
                               struct run_environment **ret, size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, environment_from, environment_done };
    return store_all(store, SQL_ENVIRONMENTS, &rows, (void **)ret, ret_n, err, "i", experiment);
}

static int text_of(struct store *store, enum sql id, int64_t run, char **ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_first(store, id, &s, err, "i", run);
    if (status < 0)
        return status;
    char *text = status == 1 ? store_text(s, 0, false) : strdup("");
    sqlite3_reset(s);
    if (text == NULL)
        return err_no_memory(err, "a run's specification or digests");
    *ret = text;
    return 0;
}

int store_digests_spec(struct store *store, int64_t run, char **ret, struct err *err)
{
    return text_of(store, SQL_RUN_SPEC, run, ret, err);
}

int store_digests_init(struct store *store, int64_t run, char **ret, struct err *err)
{
    return text_of(store, SQL_FACTS_INIT, run, ret, err);
}

int store_ended_now(struct store *store, int64_t **ret, size_t *ret_n, struct err *err)
{
    int64_t *ids = NULL, ended;
    size_t n = 0, seen = 0;
    int status = store_touched(store, false, &ids, &n, err);
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
