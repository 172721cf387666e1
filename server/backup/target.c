/* The folder beside the target: how it is made, locked, marked, filled, renamed and swept. */
#include "server/backup/target.h"

#include "common/base/digest.h"
#include "common/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Whether the folder may be replaced: by renaming, which a mount point refuses. */
static int check_empty(const char *name, struct err *err)
{
    char parent[PATH_MAX + 4];
    struct stat own, above;
    struct dirent **entries = NULL;
    if (lstat(name, &own) != 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_STORAGE, "can't use %s", name);
    int n = S_ISDIR(own.st_mode) ? scandir(name, &entries, is_entry, NULL) : 1;
    for (int i = 0; entries != NULL && i < n; i++)
        free(entries[i]);
    free(entries);
    if (n != 0)
        return err_set(err, ERR_CONFLICT, "%s exists and isn't an empty folder", name);
    snprintf(parent, sizeof parent, "%s/..", name);
    if (stat(parent, &above) == 0 && above.st_dev != own.st_dev)
        return err_set(err, ERR_CONFLICT, "%s is a mount point; name a folder in it", name);
    return 0;
}

#define PARTIAL ".partial-"
#define MARK    ".partial"
enum { RANDOM = 6 }; /* what mkdtemp puts behind it */

/* The name without what it may end with: 0 when nothing is left. */
static size_t name_len(const char *name)
{
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/')
        len--;
    return len;
}

/* Opens and locks a folder that is ours alone; -1 when somebody fills it, or it isn't. */
static int lock_folder(int parent, const char *name)
{
    struct stat info;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_uid == geteuid() && (info.st_mode & 077) == 0 &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Whether a name beside `own` is that of a folder on its way; *ret_own: to be `own`. */
static bool is_partial(const char *name, const char *own, bool *ret_own)
{
    size_t len = strlen(name), tail = strlen(PARTIAL) + RANDOM;
    if (len <= tail || strncmp(name + len - tail, PARTIAL, strlen(PARTIAL)) != 0)
        return false;
    *ret_own = strlen(own) == len - tail && strncmp(name, own, len - tail) == 0;
    return true;
}

void target_sweep(const char *name)
{
    char own[PATH_MAX], folder[PATH_MAX], path[2 * PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)name_len(name), name);
    char *slash = strrchr(folder, '/');
    snprintf(own, sizeof own, "%s", slash != NULL ? slash + 1 : folder);
    if (slash != NULL)
        slash[slash == folder] = '\0';
    DIR *beside = opendir(slash != NULL ? folder : ".");
    bool is_own;
    for (const struct dirent *entry; beside != NULL && (entry = readdir(beside)) != NULL;) {
        int fd = is_partial(entry->d_name, own, &is_own) ? lock_folder(dirfd(beside), entry->d_name)
                                                         : -1;
        if (fd >= 0 && (is_own || faccessat(fd, MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)) {
            snprintf(path, sizeof path, "%s/%s", slash != NULL ? folder : ".", entry->d_name);
            files_remove_folder(path);
        }
        if (fd >= 0)
            close(fd);
    }
    if (beside != NULL)
        closedir(beside);
}

static int put_mark(int folder, struct err *err)
{
    int fd = openat(folder, MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't write beside the target");
    close(fd);
    return 0;
}

int target_begin(const char *name, struct target *ret, struct err *err)
{
    struct target made = { .lock = -1 };
    size_t len = name_len(name);
    if (len == 0 || len >= sizeof made.name)
        return err_set(err, ERR_USAGE, "a folder's path is 1 to %zu bytes long",
                       sizeof made.name - 1);
    snprintf(made.name, sizeof made.name, "%.*s", (int)len, name);
    int status = check_empty(made.name, err);
    if (status != 0)
        return status;
    target_sweep(made.name);
    snprintf(made.dir, sizeof made.dir, "%s" PARTIAL "XXXXXX", made.name);
    if (mkdtemp(made.dir) == NULL || (made.lock = lock_folder(AT_FDCWD, made.dir)) < 0)
        return err_errno(err, ERR_STORAGE, "can't make a folder beside %s", made.name);
    status = put_mark(made.lock, err);
    if (status == 0)
        *ret = made;
    else
        target_done(&made);
    return status;
}

int target_sync(const struct target *target, struct err *err)
{
    int fd = open(target->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = fd < 0 || syncfs(fd) != 0
                     ? err_errno(err, ERR_STORAGE, "can't bring %s to the disk", target->dir)
                     : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

int target_end(struct target *target, struct err *err)
{
    if (unlinkat(target->lock, MARK, 0) != 0 || rename(target->dir, target->name) != 0)
        return err_errno(err, ERR_STORAGE, "can't rename %s to %s", target->dir, target->name);
    target->dir[0] = '\0';
    return files_sync_folder(target->name, err);
}

void target_done(struct target *target)
{
    if (target->dir[0] != '\0')
        files_remove_folder(target->dir);
    if (target->lock > 0)
        close(target->lock);
    *target = (struct target){ .lock = -1 };
}

static int pump(int in, int out, const char *path, char ret_sha256[65], int64_t *ret_bytes,
                struct err *err)
{
    enum { CHUNK = 1 << 20 };
    struct digest digest;
    int64_t bytes = 0;
    ssize_t n = 0;
    int status = 0;
    char *chunk = malloc(CHUNK);
    if (chunk == NULL)
        return err_no_memory(err, "a copy of %s", path);
    digest_init(&digest);
    while (status == 0 && (n = read(in, chunk, CHUNK)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = err_errno(err, ERR_STORAGE, "can't read %s", path);
        for (ssize_t at = 0, done; status == 0 && at<n; at += done> 0 ? done : 0)
            if ((done = write(out, chunk + at, (size_t)(n - at))) < 0 && errno != EINTR)
                status = err_errno(err, ERR_STORAGE, "can't write %s", path);
        if (status == 0)
            digest_add(&digest, chunk, (size_t)n);
        bytes += n > 0 ? n : 0;
    }
    free(chunk);
    if (status == 0) {
        digest_end_hex(&digest, ret_sha256);
        *ret_bytes = bytes;
    }
    return status;
}

int target_copy(int take_in, const char *to, const char *path, char ret_sha256[65],
                int64_t *ret_bytes, struct err *err)
{
    char dest[PATH_MAX + 300], sha256[DIGEST_HEX];
    int64_t bytes = 0;
    int out = -1;
    snprintf(dest, sizeof dest, "%s/%s", to, path);
    char *slash = strrchr(dest, '/');
    *slash = '\0';
    int status = files_make_folder(dest, err);
    *slash = '/';
    if (status == 0 &&
        (out = open(dest, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
        status = errno == EEXIST ? err_set(err, ERR_CONFLICT, "%s is there already", dest)
                                 : err_errno(err, ERR_STORAGE, "can't create %s", dest);
    if (status == 0)
        status = pump(take_in, out, dest, sha256, &bytes, err);
    close(take_in);
    if (out >= 0 && close(out) != 0 && status == 0)
        status = err_errno(err, ERR_STORAGE, "can't write %s", dest);
    if (status == 0) {
        memcpy(ret_sha256, sha256, sizeof sha256);
        *ret_bytes = bytes;
    }
    return status;
}
