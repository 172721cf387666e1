/* Names of corpora. The content lies in the data folder and outlives its name while runs need it.
 * */
#include "server/store/store_datasets.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

int store_dataset_put(struct store *store, const struct dataset_row *row, struct err *err)
{
    return store_run_sql(store, SQL_DATASET_PUT, NULL, err, "ttiiiti", row->name, row->digest,
                         row->documents, row->bytes, row->duplicates, row->format, clock_wall_ms());
}

static void dataset_from(sqlite3_stmt *statement, void *of)
{
    struct dataset_row *row = of;
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
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_DATASET_GET, &statement, err, "t", name_or_digest);
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
    static const struct store_rows rows = { sizeof **ret, dataset_from, NULL };
    return store_all(store, SQL_DATASET_LIST, &rows, (void **)ret, ret_n, err, "");
}

int store_dataset_users(struct store *store, const char *digest, struct dataset_users *ret,
                        struct err *err)
{
    struct dataset_users users = { 0 };
    sqlite3_stmt *s = NULL;
    int status =
        store_query(store, SQL_DATASET_USED_BY, &s, err, "ti", digest, (int64_t)DATASET_USERS + 1);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1)
        if (users.n < DATASET_USERS)
            users.experiments[users.n++] = sqlite3_column_int64(s, 0);
        else
            users.more = true;
    if (status == 0)
        *ret = users;
    return status;
}

int store_dataset_rename(struct store *store, const char *name, const char *to, struct err *err)
{
    struct dataset_row row, other;
    int status = store_dataset_get(store, name, &row, err);
    if (status != 0 || strcmp(name, to) == 0)
        return status;
    status = store_dataset_get(store, to, &other, err);
    if (status == 0)
        return err_set(err, ERR_CONFLICT, "there is a dataset \"%s\" already", to);
    if (status == -ERR_NOT_FOUND)
        status = store_run_sql(store, SQL_DATASET_RENAME, NULL, err, "tt", row.name, to);
    return status;
}

/* "experiments 3, 7 and others": some of those whose runs need it. */
static int name_users(struct store *store, const char *name, struct buf *to, struct err *err)
{
    enum { NAMED = 8 };
    sqlite3_stmt *s = NULL;
    struct buf ids;
    size_t n = 0;
    int status = store_query(store, SQL_DATASET_NEEDED_BY, &s, err, "ti", name, (int64_t)NAMED + 1);
    if (status != 0)
        return status;
    buf_init(&ids, 0);
    for (; (status = store_step(store, s, err)) == 1; n++) {
        if (n < NAMED)
            buf_addf(&ids, "%s %lld", n > 0 ? "," : "", (long long)sqlite3_column_int64(s, 0));
        else
            buf_adds(&ids, " and others");
    }
    buf_addf(to, "experiment%s%s", n == 1 ? "" : "s", ids.data != NULL ? ids.data : "");
    buf_done(&ids);
    return status;
}

int store_dataset_delete(struct store *store, const char *name, struct err *err)
{
    int64_t users = 0, changes = 0;
    int status = store_get_int(store, SQL_DATASET_USERS, 0, &users, err, "t", name);
    if (status != 0)
        return status;
    if (users > 0) {
        struct buf named;
        buf_init(&named, 0);
        status = name_users(store, name, &named, err);
        if (status == 0)
            status = err_set(err, ERR_CONFLICT,
                             "dataset \"%s\" is needed by %lld run%s that %s queued, running or "
                             "being verified, of %s; wait for their end, or cancel them",
                             name, (long long)users, users == 1 ? "" : "s",
                             users == 1 ? "is" : "are", named.data != NULL ? named.data : "");
        buf_done(&named);
        return status;
    }
    status = store_run_sql(store, SQL_DATASET_DELETE, &changes, err, "t", name);
    if (status == 0 && changes == 0)
        status = err_set(err, ERR_NOT_FOUND, "there is no dataset \"%s\"", name);
    return status;
}
