#include "server/store/store_audits.h"

#include "common/clock.h"
#include "server/store/store_priv.h"

#include <stdlib.h>

void audit_row_done(struct audit_row *row)
{
    free(row->arm);
    free(row->grid);
    free(row->name);
    free(row->status);
    free(row->detail);
    free(row->evidence);
    *row = (struct audit_row){ 0 };
}

int store_audit_add(struct store *store, const struct audit_row *row, struct err *err)
{
    int status = store_run_sql(store, SQL_AUDIT_ADD, NULL, err, "iitttttti", row->experiment,
                               row->run, row->arm, row->grid, row->name, row->status, row->detail,
                               row->evidence != NULL ? row->evidence : "{}", clock_wall_ms());
    if (status == 0)
        store_touch_audit(store, row->experiment, row->run, sqlite3_last_insert_rowid(store->db));
    return status;
}

static void audit_from(sqlite3_stmt *statement, struct audit_row *row)
{
    row->id = sqlite3_column_int64(statement, 0);
    row->experiment = sqlite3_column_int64(statement, 1);
    row->run = sqlite3_column_int64(statement, 2);
    row->arm = store_text(statement, 3, true);
    row->grid = store_text(statement, 4, true);
    row->name = store_text(statement, 5, false);
    row->status = store_text(statement, 6, false);
    row->detail = store_text(statement, 7, false);
    row->evidence = store_text(statement, 8, false);
    row->created_at = sqlite3_column_int64(statement, 9);
}

int store_audit_get(struct store *store, int64_t id, struct audit_row *ret, struct err *err)
{
    sqlite3_stmt *statement = store_statement(store, SQL_AUDIT_GET, err);
    if (statement == NULL)
        return -ERR_STORAGE;
    store_bind(statement, "i", id);
    int status = store_step(store, statement, err);
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no audit %lld", (long long)id);
    if (status < 0)
        return status;
    audit_from(statement, ret);
    sqlite3_reset(statement);
    return 0;
}

int store_audit_list(struct store *store, int64_t experiment, struct audit_row **ret, size_t *ret_n,
                     struct err *err)
{
    struct audit_row *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *statement = store_statement(store, SQL_AUDIT_LIST, err);
    if (statement == NULL)
        return -ERR_STORAGE;
    store_bind(statement, "i", experiment);
    int status;
    while ((status = store_step(store, statement, err)) == 1) {
        struct audit_row *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            status = err_set(err, ERR_INTERNAL, "out of memory");
            break;
        }
        audit_from(statement, row);
    }
    if (status < 0) {
        sqlite3_reset(statement);
        for (size_t i = 0; i < n; i++)
            audit_row_done(&rows[i]);
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

int store_artifact_list(struct store *store, int64_t run, struct artifact_row **ret, size_t *ret_n,
                        struct err *err)
{
    struct artifact_row *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *statement = store_statement(store, SQL_ARTIFACT_LIST, err);
    if (statement == NULL)
        return -ERR_STORAGE;
    store_bind(statement, "i", run);
    int status;
    while ((status = store_step(store, statement, err)) == 1) {
        struct artifact_row *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            status = err_set(err, ERR_INTERNAL, "out of memory");
            break;
        }
        store_text_into(statement, 0, row->name, sizeof row->name);
        row->bytes = sqlite3_column_int64(statement, 1);
        store_text_into(statement, 2, row->sha256, sizeof row->sha256);
        row->created_at = sqlite3_column_int64(statement, 3);
    }
    if (status < 0) {
        sqlite3_reset(statement);
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}
