#include "common/clock.h"
#include "server/store/store_priv.h"
#include "server/store/store_runs.h"

#include <stdlib.h>
#include <string.h>

int store_dataset_put(struct store *store, const struct dataset_row *row, struct err *err)
{
    return store_run_sql(store, SQL_DATASET_PUT, NULL, err, "ttiiiti", row->name, row->digest,
                         row->documents, row->bytes, row->duplicates, row->format, clock_wall_ms());
}

static void dataset_from(sqlite3_stmt *statement, struct dataset_row *row)
{
    row->id = sqlite3_column_int64(statement, 0);
    store_text_into(statement, 1, row->name, sizeof row->name);
    store_text_into(statement, 2, row->digest, sizeof row->digest);
    row->documents = sqlite3_column_int64(statement, 3);
    row->bytes = sqlite3_column_int64(statement, 4);
    row->duplicates = sqlite3_column_int64(statement, 5);
    store_text_into(statement, 6, row->format, sizeof row->format);
    row->created_at = sqlite3_column_int64(statement, 7);
}

int store_dataset_get(struct store *store, const char *name_or_digest, struct dataset_row *ret,
                      struct err *err)
{
    sqlite3_stmt *statement = store_statement(store, SQL_DATASET_GET, err);
    if (statement == NULL)
        return -ERR_STORAGE;
    store_bind(statement, "t", name_or_digest);
    int status = store_step(store, statement, err);
    if (status < 0)
        return status;
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no dataset \"%s\"", name_or_digest);
    dataset_from(statement, ret);
    sqlite3_reset(statement);
    return 0;
}

int store_dataset_list(struct store *store, struct dataset_row **ret, size_t *ret_n,
                       struct err *err)
{
    struct dataset_row *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *statement = store_statement(store, SQL_DATASET_LIST, err);
    if (statement == NULL)
        return -ERR_STORAGE;
    int status;
    while ((status = store_step(store, statement, err)) == 1) {
        struct dataset_row *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            status = err_set(err, ERR_INTERNAL, "out of memory");
            break;
        }
        dataset_from(statement, row);
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

int store_dataset_delete(struct store *store, const char *name, struct err *err)
{
    int64_t users = 0, changes = 0;
    int status = store_get_int(store, SQL_DATASET_USERS, 0, &users, err, "t", name);
    if (status != 0)
        return status;
    if (users > 0)
        return err_set(err, ERR_CONFLICT,
                       "dataset \"%s\" is needed by %lld runs that are queued, running or being "
                       "verified; wait for their end, or cancel them",
                       name, (long long)users);
    status = store_run_sql(store, SQL_DATASET_DELETE, &changes, err, "t", name);
    if (status == 0 && changes == 0)
        status = err_set(err, ERR_NOT_FOUND, "there is no dataset \"%s\"", name);
    return status;
}
