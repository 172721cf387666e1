/* Checking a backup, and making a data folder of it.
 *
 * A backup may come from anywhere, so it is believed in nothing that it could say: no link in it is
 * followed, and only files that its own database knows are placed. A token that somebody has put
 * into it would open the restored folder to them. */
#include "server/backup/restore.h"

#include "common/base/files.h"
#include "server/backup/backup.h"
#include "server/backup/manifest.h"
#include "server/backup/target.h"
#include "server/store/store_identity.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef int visit(void *arg, const char *path, const char *sha256, struct err *err);

/* Calls visit for every file of the backup; the text of its sums is consumed. */
static int each_file(struct manifest *manifest, visit *visit_file, void *arg, struct err *err)
{
    const char *path, *sha256;
    char *at = manifest->sums;
    int64_t n = 0;
    int status;
    while ((status = manifest_next(&at, &path, &sha256, err)) == 1) {
        if ((status = visit_file(arg, path, sha256, err)) != 0)
            return status;
        n++;
    }
    if (status == 0 && n != manifest->files)
        status = err_set(err, ERR_BAD_DATA, BACKUP_SUMS " names %lld files, the manifest %lld",
                         (long long)n, (long long)manifest->files);
    return status;
}

static int check_file(void *arg, const char *path, const char *sha256, struct err *err)
{
    char found[DIGEST_HEX];
    const char *backup = arg;
    int fd = -1, status = files_open_below(backup, path, &fd, err);
    if (status == 0)
        status = digest_open_file(fd, path, found, err);
    if (status == 0 && strcmp(found, sha256) != 0)
        status =
            err_set(err, ERR_BAD_DATA,
                    "%s/%s is damaged: its SHA-256 isn't the one in " BACKUP_SUMS, backup, path);
    if (fd >= 0)
        close(fd);
    return status;
}

/* What the database knows: a path is true for a file, false for a folder of files. */
struct known {
    json_t *paths;
    bool database; /* the backup names it */
};

static int know(void *arg, const struct store_file *file, struct err *err)
{
    const struct known *known = arg;
    return json_object_set_new(known->paths, file->path, json_boolean(!file->folder)) == 0
               ? 0
               : err_no_memory(err, "%s", file->path);
}

static int check_known(void *arg, const char *path, const char *sha256, struct err *err)
{
    struct known *known = arg;
    char folder[PATH_MAX];
    (void)sha256;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
    if (strcmp(path, "ablate.db") == 0)
        known->database = true;
    else if (!json_is_true(json_object_get(known->paths, path)) &&
             !json_is_false(json_object_get(known->paths, folder)))
        return err_set(err, ERR_BAD_DATA,
                       BACKUP_SUMS " names %.200s, which the backup's database doesn't know", path);
    return 0;
}

static int check_files(const char *backup, const char *database, struct err *err)
{
    struct known known = { .paths = json_object() };
    struct manifest manifest = { 0 };
    int status = store_files(database, know, &known, err);
    if (status == 0)
        status = manifest_read(backup, &manifest, err);
    if (status == 0)
        status = each_file(&manifest, check_known, &known, err);
    if (status == 0 && !known.database)
        status = err_set(err, ERR_BAD_DATA, BACKUP_SUMS " doesn't name ablate.db");
    manifest_done(&manifest);
    json_decref(known.paths);
    return status;
}

static int check_rows(const char *path, const struct store_summary *said,
                      const struct store_summary *found, struct err *err)
{
    if (said->schema != found->schema)
        return err_set(err, ERR_BAD_DATA, "%s has schema %lld, the manifest says %lld", path,
                       (long long)found->schema, (long long)said->schema);
    for (int i = 0; i < STORE_COUNTS; i++)
        if (said->rows[i] != found->rows[i])
            return err_set(err, ERR_BAD_DATA, "%s has %lld %s, the manifest says %lld", path,
                           (long long)found->rows[i], store_count_names[i],
                           (long long)said->rows[i]);
    return 0;
}

int backup_check(const char *backup, struct backup_result *ret, struct err *err)
{
    char path[PATH_MAX + 32];
    struct manifest manifest = { 0 };
    struct store_summary found;
    int status = manifest_read(backup, &manifest, err);
    if (status == 0)
        status = each_file(&manifest, check_file, (void *)(uintptr_t)backup, err);
    snprintf(path, sizeof path, "%s/ablate.db", backup);
    if (status == 0)
        status = store_check(path, STORE_WHOLE, &found, err);
    if (status == 0)
        status = check_rows(path, &manifest.store, &found, err);
    if (status == 0)
        status = check_files(backup, path, err);
    if (status == 0)
        *ret = (struct backup_result){ .store = manifest.store,
                                       .files = manifest.files,
                                       .bytes = manifest.bytes };
    manifest_done(&manifest);
    return status;
}

struct placing {
    const char *from, *to;
};

static int place_file(void *arg, const char *path, const char *sha256, struct err *err)
{
    const struct placing *p = arg;
    char found[DIGEST_HEX];
    int64_t bytes;
    int in = -1, status = files_open_below(p->from, path, &in, err);
    if (status == 0)
        status = target_copy(in, p->to, path, found, &bytes, err);
    if (status == 0 && strcmp(found, sha256) != 0)
        status =
            err_set(err, ERR_BAD_DATA, "%s/%s has changed since it was checked", p->from, path);
    return status;
}

static int check_room(const struct target *target, int64_t bytes, struct err *err)
{
    struct statvfs room;
    if (statvfs(target->dir, &room) != 0)
        return err_errno(err, ERR_STORAGE, "can't look at %s", target->dir);
    int64_t there = (int64_t)room.f_bavail * (int64_t)room.f_frsize;
    if (there < bytes)
        return err_set(err, ERR_DISK_FULL, "%s needs %lld bytes, and there is room for %lld",
                       target->name, (long long)bytes, (long long)there);
    return 0;
}

int backup_restore(const char *backup, const char *data, struct backup_result *ret, struct err *err)
{
    char database[PATH_MAX + 32];
    struct target target = { .lock = -1 };
    struct manifest manifest = { 0 };
    struct backup_result checked;
    int status = backup_check(backup, &checked, err);
    if (status == 0)
        status = target_begin(data, &target, err);
    if (status == 0)
        status = check_room(&target, checked.bytes, err);
    if (status == 0)
        status = manifest_read(backup, &manifest, err);
    const struct placing placing = { backup, target.dir };
    if (status == 0)
        status = each_file(&manifest, place_file, (void *)(uintptr_t)&placing, err);
    snprintf(database, sizeof database, "%s/ablate.db", target.dir);
    if (status == 0)
        status = store_identity_renew(database, err);
    if (status == 0)
        status = target_sync(&target, err);
    if (status == 0)
        status = target_end(&target, err);
    target_done(&target);
    manifest_done(&manifest);
    if (status == 0)
        *ret = checked;
    return status;
}
