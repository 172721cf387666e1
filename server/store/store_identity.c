#include "server/store/store_identity.h"

#include "server/store/store_priv.h"

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

/* Its workers belong to the original: nobody has the tokens of what the copy believes to run. */
static const char renewal[] =
    "UPDATE identity SET id = lower(hex(randomblob(16))), "
    "made_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER);"
    "UPDATE attempts SET token = '' WHERE ended_at IS NULL;";

/* What the original has told since the copy was made had ids beyond the copy's last one. The copy
 * gives none of those again, and knows none of its own older ones: who asks for what follows any of
 * them is told to begin anew. 2^40 is more than a daemon tells in a life, and 8,000 such leaps stay
 * below 2^53, where numbers of JavaScript end. */
static const char leap[] =
    "DELETE FROM events;"
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'events', 0 "
    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events');"
    "UPDATE sqlite_sequence SET seq = seq + (1 << 40) WHERE name = 'events';";

int store_events_leap(struct store *store, struct err *err)
{
    return store_execute(store, leap, err);
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
        status = store_events_leap(&store, err);
    if (status == 0)
        status = store_execute(&store, "COMMIT", err);
    sqlite3_close(store.db);
    return status;
}
