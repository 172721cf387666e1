/* The connection: opening, transactions, settings.
 *
 * Pragmas. WAL with synchronous=FULL: a commit that was reported is on the disk; group commit pays
 * for the fsync. wal_autocheckpoint=0 everywhere: only the writer checkpoints, by hand, because a
 * known fault of SQLite needs two connections that do. Readers are query_only and untrusting. No
 * mmap: an I/O error is then an error code, not a signal.
 */
#include "server/store/store.h"

#include "server/store/runs/store_cells.h"
#include "server/store/runs/store_touches.h"
#include "server/store/search/store_parts.h"
#include "server/store/store_migrate.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BUSY_MS = 5000 };

/* SQLite says SQLITE_FULL when a write finds no room, but not when the index of the WAL does. After
 * a failed fsync nobody knows what is on the disk, whatever the reason. */
bool store_lacks_room(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db), cause = sqlite3_system_errno(db);
    if ((extended & 0xff) == SQLITE_FULL)
        return true;
    return (extended & 0xff) == SQLITE_IOERR && extended != SQLITE_IOERR_FSYNC &&
           extended != SQLITE_IOERR_DIR_FSYNC && (cause == ENOSPC || cause == EDQUOT);
}

/* Memory may run out inside of a call for the disk, too, which has not failed then. */
static bool lacks_memory(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db);
    return (extended & 0xff) == SQLITE_NOMEM || extended == SQLITE_IOERR_NOMEM;
}

int store_error(struct store *store, struct err *err, const char *doing)
{
    if (lacks_memory(store->db))
        return err_no_memory(err, "%s", doing);
    int primary = sqlite3_errcode(store->db) & 0xff;
    bool full = store_lacks_room(store->db);
    enum err_code code = full                                                    ? ERR_DISK_FULL
                         : primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ? ERR_BAD_DATA
                         : primary == SQLITE_BUSY || primary == SQLITE_LOCKED    ? ERR_UNAVAILABLE
                                                                                 : ERR_STORAGE;
    if ((primary == SQLITE_IOERR && !full) || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        store->damaged = true;
    return err_set(err, code, "%s: %s", doing, sqlite3_errmsg(store->db));
}

int store_execute(struct store *store, const char *sql, struct err *err)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : store_error(store, err, "the database");
}

int store_read_int(struct store *store, const char *sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        int status = store_error(store, err, "reading the database");
        sqlite3_finalize(statement);
        return status;
    }
    *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return 0;
}

static int know_itself(struct store *store, struct err *err)
{
    struct store_identity identity;
    int status = store_identity(store, &identity, err);
    if (status == 0)
        memcpy(store->database, identity.id, sizeof store->database);
    return status;
}

int store_open(const char *path, enum store_mode mode, struct store **ret, struct err *err)
{
    int flags =
        mode == STORE_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    int status;
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return err_no_memory(err, "the database");
    store->mode = mode;
    if (sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        status = store_error(store, err, "opening the database");
        goto out;
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    status = mode == STORE_WRITER ? store_check_ours(store, path, err) : 0;
    if (status == 0 && mode == STORE_WRITER)
        status = store_execute(
            store,
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
            "PRAGMA foreign_keys=ON; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;",
            err);
    else if (status == 0)
        status = store_execute(
            store, "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-2048;",
            err);
    if (status == 0 && mode == STORE_WRITER)
        status = store_cells_define(store, err);
    if (status == 0 && mode == STORE_WRITER)
        status = store_parts_define(store, err);
    if (status == 0 && mode == STORE_WRITER)
        status = store_migrate(store, path, err);
    if (status == 0 && mode == STORE_WRITER)
        status = know_itself(store, err);
out:
    if (status == -ERR_BAD_DATA && store->damaged && err != NULL) {
        const struct err why = *err;
        err_set(err, ERR_BAD_DATA, "%s can't be used: %.200s. " STORE_DAMAGED_ADVICE, path,
                why.message);
    }
    if (status == 0)
        *ret = store;
    else
        store_close(store);
    return status;
}

int store_open_beside(const struct store *writer, const char *path, struct store **ret,
                      struct err *err)
{
    struct store *reader = NULL;
    struct store_identity found;
    int status = store_open(path, STORE_READER, &reader, err);
    if (status == 0)
        status = store_identity(reader, &found, err);
    if (status == 0 && strcmp(found.id, writer->database) != 0)
        status = err_set(err, ERR_UNAVAILABLE, "another database lies at %s by now", path);
    if (status == 0)
        *ret = reader;
    else
        store_close(reader);
    return status;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    store_touches_done(store);
    sqlite3_close(store->db);
    free(store);
}

/* transactions */

int store_begin(struct store *store, struct err *err)
{
    store->changes_before = sqlite3_total_changes64(store->db);
    store_touches_clear(store);
    return store_run_sql(store, store->mode == STORE_WRITER ? SQL_BEGIN_IMMEDIATE : SQL_BEGIN, NULL,
                         err, "");
}

int store_commit(struct store *store, struct err *err)
{
    int status = store_run_sql(store, SQL_COMMIT, NULL, err, "");
    return status == -ERR_NO_MEMORY ? err_set(err, ERR_STORAGE, "the commit ran out of memory")
                                    : status;
}

void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        store_run_sql(store, SQL_ROLLBACK, NULL, NULL, "");
    store_touches_clear(store);
}

int store_savepoint(struct store *store, struct err *err)
{
    store_touches_mark(store);
    return store_run_sql(store, SQL_SAVEPOINT, NULL, err, "");
}

int store_release(struct store *store, bool keep, struct err *err)
{
    int status = 0;
    if (!keep) {
        store_touches_rollback(store);
        status = store_run_sql(store, SQL_ROLLBACK_TO, NULL, err, "");
    }
    return status == 0 ? store_run_sql(store, SQL_RELEASE, NULL, err, "") : status;
}

bool store_in_transaction(const struct store *store)
{
    return !sqlite3_get_autocommit(store->db);
}

bool store_damaged(const struct store *store)
{
    return store->damaged;
}

int64_t store_changes(const struct store *store)
{
    return sqlite3_total_changes64(store->db) - store->changes_before;
}

int store_checkpoint(struct store *store, bool truncate, struct err *err)
{
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    sqlite3_busy_timeout(store->db, 0);
    int code = sqlite3_wal_checkpoint_v2(store->db, NULL, mode, NULL, NULL);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    return code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY
               ? 0
               : store_error(store, err, "checkpoint");
}

int64_t store_wal_bytes(const struct store *store)
{
    struct stat file;
    const char *path = sqlite3_filename_wal(sqlite3_db_filename(store->db, "main"));
    return path != NULL && stat(path, &file) == 0 ? file.st_size : 0;
}

int store_as_of(struct store *store, int64_t *ret, struct err *err)
{
    return store_get_int(store, SQL_AS_OF, 0, ret, err, "");
}

int store_setting_get(struct store *store, const char *key, char *ret, size_t size, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_SETTING_GET, &statement, err, "t", key);
    if (status < 0)
        return status;
    if (status == 1)
        store_text_into(statement, 0, ret, size);
    else
        ret[0] = '\0';
    sqlite3_reset(statement);
    return 0;
}

int store_setting_put(struct store *store, const char *key, const char *value, struct err *err)
{
    return store_run_sql(store, SQL_SETTING_PUT, NULL, err, "tt", key, value);
}
