#include "server/backup/target.h"

#include "common/digest.h"
#include "common/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int target_begin(const char *name, struct target *ret, struct err *err)
{
    struct target made = { 0 };
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof made.name)
        return err_set(err, ERR_USAGE, "a folder's path is 1 to %zu bytes long",
                       sizeof made.name - 1);
    snprintf(made.name, sizeof made.name, "%.*s", (int)len, name);
    int status = check_empty(made.name, err);
    if (status != 0)
        return status;
    snprintf(made.dir, sizeof made.dir, "%s.partial-XXXXXX", made.name);
    if (mkdtemp(made.dir) == NULL)
        return err_errno(err, ERR_STORAGE, "can't make a folder beside %s", made.name);
    *ret = made;
    return 0;
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
    if (rename(target->dir, target->name) != 0)
        return err_errno(err, ERR_STORAGE, "can't rename %s to %s", target->dir, target->name);
    target->dir[0] = '\0';
    return files_sync_folder(target->name, err);
}

void target_done(struct target *target)
{
    if (target->dir[0] != '\0')
        files_remove_folder(target->dir);
    target->dir[0] = '\0';
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
        return err_set(err, ERR_NO_MEMORY, "no memory to copy %s", path);
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

int target_copy(const char *from, const char *to, const char *path, char ret_sha256[65],
                int64_t *ret_bytes, struct err *err)
{
    char source[PATH_MAX + 300], dest[PATH_MAX + 300];
    int out = -1, status = 0;
    snprintf(source, sizeof source, "%s/%s", from, path);
    snprintf(dest, sizeof dest, "%s/%s", to, path);
    int in = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no file %s", source)
                               : err_errno(err, ERR_STORAGE, "can't open %s", source);
    char *slash = strrchr(dest, '/');
    *slash = '\0';
    status = files_make_folder(dest, err);
    *slash = '/';
    if (status == 0 &&
        (out = open(dest, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
        status = errno == EEXIST ? err_set(err, ERR_CONFLICT, "%s is there already", dest)
                                 : err_errno(err, ERR_STORAGE, "can't create %s", dest);
    if (status == 0)
        status = pump(in, out, dest, ret_sha256, ret_bytes, err);
    close(in);
    if (out >= 0 && close(out) != 0 && status == 0)
        status = err_errno(err, ERR_STORAGE, "can't write %s", dest);
    return status;
}
