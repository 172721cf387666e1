/* Cells: found by the index runs_by_cell; what is purged is summed up before its runs go. */
#include "server/store/runs/store_cells.h"

#include "common/json/jsonx.h"
#include "common/spec/spec_json.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <string.h>

/* run_spec_cell(spec) in SQL, for the migration of databases that have no cells: NULL where spec
 * can't be read. */
static void cell_of(sqlite3_context *context, int n, sqlite3_value **values)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    char cell[DIGEST_HEX];
    json_t *spec = NULL;
    (void)n;
    if (text != NULL && jsonx_load(text, strlen(text), &spec, NULL) == 0 &&
        run_spec_cell(spec, cell, NULL) == 0)
        sqlite3_result_text(context, cell, -1, SQLITE_TRANSIENT);
    json_decref(spec);
}

int store_cells_define(struct store *store, struct err *err)
{
    return sqlite3_create_function(store->db, "run_spec_cell", 1,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                   cell_of, NULL, NULL) == SQLITE_OK
               ? 0
               : store_error(store, err, "the database");
}

static void cell_from(sqlite3_stmt *s, void *row)
{
    *(struct cell_row *)row = (struct cell_row){
        .experiment = sqlite3_column_int64(s, 0),
        .deleted = sqlite3_column_int64(s, 1) != 0,
        .purged = sqlite3_column_int64(s, 2) != 0,
        .runs = sqlite3_column_int64(s, 3),
        .measured = sqlite3_column_int64(s, 4),
        .mean = sqlite3_column_double(s, 5),
    };
}

int store_cells_elsewhere(struct store *store, const char *cell, int64_t but, const char *metric,
                          size_t limit, struct cell_row **ret, size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, cell_from, NULL };
    return store_all(store, SQL_CELLS_ELSEWHERE, &rows, (void **)ret, ret_n, err, "titi", cell, but,
                     metric, (int64_t)limit);
}

int store_cells_measure(struct store *store, const char *cell, const char *metric,
                        struct cell_row *row, struct err *err)
{
    sqlite3_stmt *s = NULL;
    if (row->purged)
        return 0;
    int status = store_first(store, SQL_CELLS_MEAN, &s, err, "tit", cell, row->experiment, metric);
    if (status <= 0)
        return status;
    row->measured = sqlite3_column_int64(s, 0);
    row->mean = sqlite3_column_double(s, 1);
    sqlite3_reset(s);
    return 0;
}

int store_cells_keep(struct store *store, struct err *err)
{
    return store_run_sql(store, SQL_CELLS_KEEP, NULL, err, "");
}
