/* Migrations: the files schema/migrations/NNNN_*.sql; user_version is the number of the last one applied. Each
 * runs in one transaction, after a copy of the database was made beside it by VACUUM INTO. A copy
 * gets its name when it is whole and on the disk, so that whatever moment the machine fails at, the
 * database is as it was before or after, and a copy <path>.before-<n> is one of schema n - 1 or
 * older.
 */
#include "server/store/store_migrate.h"

#include "common/base/files.h"
#include "server/base/embed.h"
#include "server/store/store_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x41626c74 }; /* "Ablt", so that a foreign database is recognised */

/* The number of the migration in an embedded file; 0 when it is none. */
static int64_t migration_number(const struct embedded *file)
{
    int number = 0, end = 0;
    return sscanf(file->path, "schema/migrations/%4d_%n", &number, &end) == 1 && end > 0 ? number
                                                                                         : 0;
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

/* On the disk and whole, then under its name. */
static int name_copy(const char *made, const char *copy, struct err *err)
{
    int fd = open(made, O_RDONLY | O_CLOEXEC);
    int status = fd < 0 || fsync(fd) != 0 ? err_errno(err, ERR_STORAGE, "can't sync %s", made) : 0;
    if (fd >= 0)
        close(fd);
    if (status == 0 && rename(made, copy) != 0)
        status = err_errno(err, ERR_STORAGE, "can't rename %s", made);
    return status == 0 ? files_sync_folder(copy, err) : status;
}

static int keep_copy(struct store *store, const char *path, int64_t number, struct err *err)
{
    char *copy = sqlite3_mprintf("%s.before-%d", path, (int)number);
    char *made = sqlite3_mprintf("%s.tmp", copy);
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", made);
    int status = -ERR_NO_MEMORY;
    if (copy == NULL || made == NULL || sql == NULL) {
        err_no_memory(err, "the path of a copy");
    } else {
        unlink(made);
        status = store_execute(store, sql, err);
    }
    if (status != 0 && err != NULL) {
        const struct err why = *err;
        err_set(err, (enum err_code)why.code,
                "no copy could be kept before the migration to schema %d, which was not begun: %s",
                (int)number, why.message);
    }
    if (status == 0)
        status = name_copy(made, copy, err);
    if (status != 0 && made != NULL)
        unlink(made);
    sqlite3_free(sql);
    sqlite3_free(made);
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
        return err_set(err, ERR_BAD_DATA,
                       "%s is a SQLite database, but not one of Ablate's; name another folder "
                       "with --data, or move it away",
                       path);
    if (version != 0 && migration(version) == NULL)
        return err_set(err, ERR_BAD_DATA,
                       "%s was made by a newer version of Ablate (schema %d): start that one, or "
                       "restore a backup or the copy %s.before-N of before it",
                       path, (int)version, path);
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
