/* Making a backup: the database first, then the files that it knows, each digested as it is
 * copied; then the manifest, and a check of all of it before the folder gets its name. */
#include "server/backup/backup.h"

#include "common/base/files.h"
#include "server/backup/manifest.h"
#include "server/backup/restore.h"
#include "server/backup/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct maker {
    const char *data; /* the folder that is copied */
    struct target target;
    struct buf sums;
    struct backup_result result;
};

/* A file that isn't as it should be is told of; a backup with the others is better than none. */
static void note(struct maker *m, int64_t *count, const char *path, const char *what)
{
    if (m->result.missing + m->result.differing == 0)
        snprintf(m->result.first, sizeof m->result.first, "%s %s", path, what);
    (*count)++;
}

static int copy_one(struct maker *m, const struct store_file *file, struct err *err)
{
    char source[PATH_MAX + 300], sha256[DIGEST_HEX];
    int64_t bytes = 0;
    snprintf(source, sizeof source, "%s/%s", m->data, file->path);
    int in = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0 && errno != ENOENT)
        return err_errno(err, ERR_STORAGE, "can't open %s", source);
    if (in < 0) {
        if (!file->may_miss)
            note(m, &m->result.missing, file->path, "is missing");
        return 0;
    }
    int status = target_copy(in, m->target.dir, file->path, sha256, &bytes, err);
    if (status == -ERR_CONFLICT)
        return 0; /* it belongs to the store in two ways */
    if (status != 0)
        return status;
    if (file->sha256[0] != '\0' && strcmp(file->sha256, sha256) != 0)
        note(m, &m->result.differing, file->path, "isn't what was recorded");
    manifest_add(&m->sums, file->path, sha256);
    m->result.files++;
    m->result.bytes += bytes;
    return 0;
}

/* What is half written has another ending. */
static int is_whole(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && (len < 4 || strcmp(entry->d_name + len - 4, ".tmp") != 0);
}

static int copy_folder(struct maker *m, const struct store_file *folder, struct err *err)
{
    char path[PATH_MAX];
    struct dirent **entries = NULL;
    int status = 0;
    snprintf(path, sizeof path, "%s/%s", m->data, folder->path);
    int n = scandir(path, &entries, is_whole, alphasort);
    if (n < 0 && errno != ENOENT)
        return err_errno(err, ERR_STORAGE, "can't read %s", path);
    if (n <= 0 && !folder->may_miss)
        note(m, &m->result.missing, folder->path, "is missing");
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, entries[i]->d_name);
        const struct store_file file = { .path = path, .sha256 = "", .may_miss = true };
        if (status == 0)
            status = copy_one(m, &file, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static int copy_file(void *arg, const struct store_file *file, struct err *err)
{
    return file->folder ? copy_folder(arg, file, err) : copy_one(arg, file, err);
}

static int copy_database(struct maker *m, struct err *err)
{
    char from[PATH_MAX + 32], to[PATH_MAX + 32], sha256[DIGEST_HEX];
    struct stat info;
    snprintf(from, sizeof from, "%s/ablate.db", m->data);
    snprintf(to, sizeof to, "%s/ablate.db", m->target.dir);
    int status = store_copy(from, to, &m->result.store, err);
    if (status == 0)
        status = digest_file(to, sha256, err);
    if (status == 0 && stat(to, &info) != 0)
        status = err_errno(err, ERR_STORAGE, "can't read %s", to);
    if (status != 0)
        return status;
    manifest_add(&m->sums, "ablate.db", sha256);
    m->result.files++;
    m->result.bytes += info.st_size;
    return store_files(to, copy_file, m, err);
}

/* Nothing is purged while it is held shared (server/retention/purge.h). */
static int take_hold(const char *data, int *ret, struct err *err)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/hold", data);
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_SH) != 0) {
        int status = err_errno(err, ERR_STORAGE, "can't lock %s", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    *ret = fd;
    return 0;
}

static int is_folder(const char *data, struct err *err)
{
    struct stat info;
    if (stat(data, &info) != 0 || !S_ISDIR(info.st_mode))
        return err_set(err, ERR_NOT_FOUND, "there is no data folder %s", data);
    return 0;
}

int backup_make(const char *data, const char *to, struct backup_result *ret, struct err *err)
{
    struct maker m = { .data = data, .target = { .lock = -1 } };
    struct backup_result checked;
    int hold = -1;
    buf_init(&m.sums, 0);
    int status = is_folder(data, err);
    if (status == 0)
        status = target_begin(to, &m.target, err);
    if (status == 0)
        status = take_hold(data, &hold, err);
    if (status == 0)
        status = copy_database(&m, err);
    if (hold >= 0)
        close(hold);
    const struct manifest manifest = { m.result.store, m.result.files, m.result.bytes, NULL };
    if (status == 0)
        status = manifest_write(m.target.dir, &m.sums, &manifest, err);
    if (status == 0)
        status = target_sync(&m.target, err);
    if (status == 0)
        status = backup_check(m.target.dir, &checked, err);
    if (status == 0)
        status = target_end(&m.target, err);
    target_done(&m.target);
    buf_done(&m.sums);
    if (status == 0)
        *ret = m.result;
    return status;
}
