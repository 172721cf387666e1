/* Migrations: the files schema/NNNN_*.sql; user_version is the number of the last one applied. Each
 * runs in one transaction, after a copy of the database was made beside it by VACUUM INTO. A copy
 * gets its name when it is whole and on the disk, so that whatever moment the machine fails at, the
 * database is as it was before or after, and a copy <path>.before-<n> is one of schema n - 1 or
 * older.
 */
#include "common/files.h"
#include "server/embed.h"
#include "server/store/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x41626c74 }; /* "Ablt", so that a foreign database is recognised */

/* The number of the migration in an embedded file; 0 when it is none. */
static int64_t migration_number(const struct embedded *file)
{
    int number = 0, end = 0;
    return sscanf(file->path, "schema/%4d_%n", &number, &end) == 1 && end > 0 ? number : 0;
}

/* The migration with the lowest number from n on (numbers may be left out), or NULL. */
static const struct embedded *migration(int64_t n)
{
    const struct embedded *found = NULL;
    for (size_t i = 0; i < embedded_n; i++) {
        int64_t number = migration_number(&embedded[i]);
        if (number > 0 && number >= n && (found == NULL || number < migration_number(found)))
            found = &embedded[i];
    }
    return found;
}

static int migrate_one(struct store *store, int64_t n, const struct embedded *file, struct err *err)
{
    char versions[96];
    snprintf(versions, sizeof versions, "PRAGMA user_version = %d; PRAGMA application_id = %d;",
             (int)n, APPLICATION_ID);
    int status = store_execute(store, "BEGIN IMMEDIATE", err);
    if (status == 0)
        status = store_execute(store, file->data, err);
    if (status == 0)
        status = store_execute(store, versions, err);
    if (status == 0)
        status = store_execute(store, "COMMIT", err);
    if (status != 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static int keep_copy(struct store *store, const char *path, int64_t number, struct err *err)
{
    char *copy = sqlite3_mprintf("%s.before-%d", path, (int)number);
    unlink(copy);
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
    int status = store_execute(store, sql, err);
    sqlite3_free(sql);
    sqlite3_free(copy);
    return status;
}

int store_check_ours(struct store *store, const char *path, struct err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    int status = store_read_int(store, "PRAGMA user_version", &version, err);
    if (status == 0)
        status = store_read_int(store, "PRAGMA application_id", &application, err);
    if (status == 0)
        status = store_read_int(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status != 0)
        return status;
    if (tables > 0 && application != APPLICATION_ID)
        return err_set(err, ERR_BAD_DATA, "%s is a SQLite database, but not one of Ablate's", path);
    if (version != 0 && migration(version) == NULL)
        return err_set(err, ERR_BAD_DATA, "%s was made by a newer version of Ablate (schema %d)",
                       path, (int)version);
    return 0;
}

int store_migrate(struct store *store, const char *path, struct err *err)
{
    int64_t version = 0;
    int status = store_read_int(store, "PRAGMA user_version", &version, err);
    if (status != 0)
        return status;
    const struct embedded *file;
    bool exists = version > 0; /* a new database holds nothing to keep */
    for (; (file = migration(version + 1)) != NULL; version = migration_number(file)) {
        if (exists && (status = keep_copy(store, path, migration_number(file), err)) != 0)
            return status;
        if ((status = migrate_one(store, migration_number(file), file, err)) != 0)
            return status;
    }
    return 0;
}
