/* Checking a backup, and making a data folder of it. */
#include "server/backup/backup.h"
#include "server/backup/manifest.h"
#include "server/backup/target.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

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
    char whole[PATH_MAX + 300], found[DIGEST_HEX];
    snprintf(whole, sizeof whole, "%s/%s", (const char *)arg, path);
    int status = digest_file(whole, found, err);
    if (status == 0 && strcmp(found, sha256) != 0)
        status = err_set(err, ERR_BAD_DATA,
                         "%s is damaged: its SHA-256 isn't the one in " BACKUP_SUMS, whole);
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
    int status = target_copy(p->from, p->to, path, found, &bytes, err);
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
    struct target target = { 0 };
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
