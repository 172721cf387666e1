/* The identity is one row; a copy gets another in the transaction that also leaps its event ids and
 * parts it from the original's workers, so that no copy has the one without the others. */
#include "server/store/store_identity.h"

#include "server/store/store_migrate.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdio.h>

int store_identity(struct store *store, struct store_identity *ret, struct err *err)
{
    struct store_identity found;
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_IDENTITY, &s, err, "");
    if (status == 0)
        return err_set(err, ERR_BAD_DATA, "the database doesn't say which one it is");
    if (status < 0)
        return status;
    store_text_into(s, 0, found.id, sizeof found.id);
    found.made_at = sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    *ret = found;
    return 0;
}

int store_run_origin(struct store *store, int64_t run, struct run_origin *ret, char **ret_spec,
                     struct err *err)
{
    struct run_origin found = { .run = run };
    sqlite3_stmt *s = NULL;
    int status = store_identity(store, &found.database, err);
    if (status == 0)
        status = store_find_run(store, SQL_RUN_ORIGIN, run, &s, err);
    if (status != 0)
        return status;
    found.created_at = sqlite3_column_int64(s, 0);
    store_text_into(s, 1, found.digest, sizeof found.digest);
    char *spec = store_text(s, 2, false);
    sqlite3_reset(s);
    if (spec == NULL)
        return err_no_memory(err, "a run's specification");
    found.spec = *ret_spec = spec;
    *ret = found;
    return 0;
}

static const char renewal[] =
    "UPDATE identity SET id = lower(hex(randomblob(16))), "
    "made_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
/* Its workers belong to the original: nobody has the tokens of what the copy believes to run. */
static const char parting[] = "UPDATE attempts SET token = '' WHERE ended_at IS NULL";

int store_events_leap(struct store *store, int64_t by, struct err *err)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "INSERT INTO sqlite_sequence (name, seq) SELECT 'events', 0 WHERE NOT EXISTS "
             "(SELECT 1 FROM sqlite_sequence WHERE name = 'events');"
             "UPDATE sqlite_sequence SET seq = seq + %lld WHERE name = 'events'",
             (long long)by);
    return store_execute(store, sql, err);
}

int store_events_forget(struct store *store, struct err *err)
{
    return store_run_sql(store, SQL_EVENT_PRUNE, NULL, err, "i", INT64_MAX);
}

int store_identity_renew(const char *path, struct err *err)
{
    struct store store = { .mode = STORE_WRITER };
    int64_t has_one = 0;
    int status = sqlite3_open_v2(path, &store.db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK
                     ? 0
                     : store_error(&store, err, "opening the database");
    if (status == 0)
        status = store_check_ours(&store, path, err);
    if (status == 0)
        status = store_read_int(
            &store, "SELECT count(*) FROM sqlite_schema WHERE name = 'identity'", &has_one, err);
    if (status == 0)
        status = store_execute(&store, "BEGIN IMMEDIATE", err);
    if (status == 0 && has_one > 0)
        status = store_execute(&store, renewal, err);
    if (status == 0)
        status = store_execute(&store, parting, err);
    if (status == 0)
        status = store_events_leap(&store, STORE_LEAP_COPY, err);
    if (status == 0)
        status = store_execute(&store, "COMMIT", err);
    sqlite3_close(store.db);
    return status;
}
