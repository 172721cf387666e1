/* Copying page by page, checking, and listing the files that belong to a database. Each opens a
 * connection of its own and closes it. */
#include "server/store/store_copy.h"

#include "server/store/store_migrate.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *const store_count_names[STORE_COUNTS + 1] = {
#define COUNT_NAME(table) #table,
    STORE_COUNTED(COUNT_NAME)
#undef COUNT_NAME
};

static int open_reader(const char *path, struct store **ret, struct err *err)
{
    if (access(path, F_OK) != 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no database %s", path)
                               : err_errno(err, ERR_STORAGE, "can't open %s", path);
    return store_open(path, STORE_READER, ret, err);
}

static int summarise(struct store *store, struct store_summary *ret, struct err *err)
{
    static const char *const counts[STORE_COUNTS] = {
#define COUNT_SQL(table) "SELECT count(*) FROM " #table,
        STORE_COUNTED(COUNT_SQL)
#undef COUNT_SQL
    };
    struct store_summary made = { 0 };
    int status = store_read_int(store, "PRAGMA user_version", &made.schema, err);
    for (int i = 0; i < STORE_COUNTS && status == 0; i++)
        status = store_read_int(store, counts[i], &made.rows[i], err);
    if (status == 0)
        *ret = made;
    return status;
}

/* Copying. */

static int sync_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = fd < 0 || fsync(fd) != 0 ? err_errno(err, ERR_STORAGE, "can't sync %s", path) : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

static int failed(sqlite3 *db, const char *to, struct err *err)
{
    bool full = store_lacks_room(db);
    return err_set(err, full ? ERR_DISK_FULL : ERR_STORAGE, "can't copy to %s: %s", to,
                   full ? "there is no room on the disk" : sqlite3_errmsg(db));
}

/* The reader's transaction is open, and the copy is made from what it sees. */
static int copy_pages(struct store *store, const char *to, struct err *err)
{
    sqlite3 *db = NULL;
    int status = 0, fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't create %s", to);
    close(fd);
    if (sqlite3_open_v2(to, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        status = failed(db, to, err);
        sqlite3_close(db);
        return status;
    }
    sqlite3_backup *backup = sqlite3_backup_init(db, "main", store->db, "main");
    if (backup != NULL)
        sqlite3_backup_step(backup, -1);
    bool copied = backup != NULL && sqlite3_backup_finish(backup) == SQLITE_OK;
    /* One file that stands for itself, without -wal or -shm. */
    if (!copied || sqlite3_exec(db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK)
        status = failed(db, to, err);
    if (sqlite3_close(db) != SQLITE_OK && status == 0)
        status = err_set(err, ERR_STORAGE, "can't copy to %s", to);
    return status == 0 ? sync_file(to, err) : status;
}

int store_copy(const char *from, const char *to, struct store_summary *ret, struct err *err)
{
    struct store *store = NULL;
    struct store_summary found;
    int status = open_reader(from, &store, err);
    if (status == 0)
        status = store_check_ours(store, from, err);
    if (status == 0)
        status = store_begin(store, err);
    if (status == 0)
        status = summarise(store, &found, err);
    if (status == 0)
        status = copy_pages(store, to, err);
    if (store != NULL)
        store_rollback(store);
    store_close(store);
    if (status == 0)
        *ret = found;
    return status;
}

/* Checking. */

static int say_damaged(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_BAD_DATA, "%s is damaged: %.200s. " STORE_DAMAGED_ADVICE, path, what);
}

/* The statement's first row must be `good`; NULL = there must be none. */
static int expect(struct store *store, const char *path, const char *sql, const char *good,
                  struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = 0, code;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) != SQLITE_OK)
        return store_error(store, err, "checking the database");
    code = sqlite3_step(s);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        status = store_error(store, err, "checking the database");
    } else if (code == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        if (good == NULL)
            status = say_damaged(path, "a row refers to one that isn't there", err);
        else if (text == NULL || strcmp(text, good) != 0)
            status = say_damaged(path, text != NULL ? text : "no word of it", err);
    }
    sqlite3_finalize(s);
    return status;
}

int store_check(const char *path, enum store_care care, struct store_summary *ret, struct err *err)
{
    static const char *const checks[] = {
        [STORE_QUICK] = "PRAGMA quick_check(1)", [STORE_WHOLE] = "PRAGMA integrity_check(1)"
    };
    struct store *store = NULL;
    int status = open_reader(path, &store, err);
    if (status == 0)
        status = store_check_ours(store, path, err);
    if (status == 0)
        status = expect(store, path, checks[care], "ok", err);
    if (status == 0 && care == STORE_WHOLE)
        status = expect(store, path, "PRAGMA foreign_key_check", NULL, err);
    if (status == 0 && ret != NULL)
        status = summarise(store, ret, err);
    if (store != NULL && store_damaged(store) && status == -ERR_BAD_DATA && err != NULL) {
        const struct err why = *err;
        status = say_damaged(path, why.message, err);
    }
    store_close(store);
    return status;
}

/* What belongs to it. */

int store_files(const char *path, int (*each)(void *arg, const struct store_file *, struct err *),
                void *arg, struct err *err)
{
    struct store *store = NULL;
    int status = open_reader(path, &store, err);
    sqlite3_stmt *s = NULL;
    if (status == 0)
        status = store_query(store, SQL_FILES, &s, err, "");
    while (status == 0 && (status = store_step(store, s, err)) == 1) {
        const struct store_file file = {
            .path = (const char *)sqlite3_column_text(s, 0),
            .sha256 = (const char *)sqlite3_column_text(s, 1),
            .may_miss = sqlite3_column_int(s, 2) != 0,
            .folder = sqlite3_column_int(s, 3) != 0,
        };
        status = each(arg, &file, err);
    }
    store_close(store);
    return status;
}
