/* Files that others read while they are written, or that a stranger may have put there: a file gets
 * its name by rename, after fsync, and links aren't followed. */
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int files_read(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no file %s", path)
                               : err_errno(err, ERR_STORAGE, "can't open %s", path);
    struct stat info;
    char *text = NULL;
    int status = fstat(fd, &info) != 0 ? err_errno(err, ERR_STORAGE, "can't read %s", path) : 0;
    if (status == 0 && (size_t)info.st_size > max)
        status = err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    if (status == 0 && (text = malloc((size_t)info.st_size + 1)) == NULL)
        status = err_no_memory(err, "%s", path);
    size_t len = 0;
    while (status == 0 && len < (size_t)info.st_size) {
        ssize_t n = read(fd, text + len, (size_t)info.st_size - len);
        if (n < 0)
            status = err_errno(err, ERR_STORAGE, "can't read %s", path);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    if (status != 0) {
        free(text);
        return status;
    }
    text[len] = '\0';
    *ret = text;
    *ret_len = len;
    return 0;
}

int files_open_below(const char *folder, const char *path, int *ret, struct err *err)
{
    char name[NAME_MAX + 2]; /* a name that is too long stays so, and is refused as that */
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char *at = path, *end; fd >= 0 && *at != '\0'; at = end + strspn(end, "/")) {
        end = at + strcspn(at, "/");
        snprintf(name, sizeof name, "%.*s", (int)(end - at), at);
        /* O_NONBLOCK: opening a pipe would wait for a writer. */
        int how = *end != '\0' ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
        int next = openat(fd, name, how | O_NOFOLLOW | O_CLOEXEC), code = errno;
        close(fd);
        errno = code;
        fd = next;
    }
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *ret = fd;
        return 0;
    }
    int status = fd < 0 && errno == ENOENT
                     ? err_set(err, ERR_NOT_FOUND, "there is no file %s/%s", folder, path)
                 : fd < 0 ? err_errno(err, ERR_STORAGE, "can't open %s/%s", folder, path)
                          : err_set(err, ERR_STORAGE, "%s/%s is no file", folder, path);
    if (fd >= 0)
        close(fd);
    return status;
}

int files_sync_folder(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status =
        fd < 0 || fsync(fd) != 0 ? err_errno(err, ERR_STORAGE, "can't sync %s", folder) : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

int files_need_room(const char *path, int64_t bytes, struct err *err)
{
    char folder[PATH_MAX];
    struct statvfs disk;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    if (slash == NULL || statvfs(folder, &disk) != 0)
        return 0; /* writing will tell */
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    return room >= bytes + FILES_SPARE
               ? 0
               : err_set(err, ERR_DISK_FULL, "%s needs %.1f MiB, and %.1f MiB are free", path,
                         (double)bytes / 1048576.0, (double)room / 1048576.0);
}

int files_make_folder(const char *path, struct err *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char c = *at;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return err_errno(err, ERR_STORAGE, "can't create the folder %s", part);
        *at = c;
        if (c == '\0')
            return 0;
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

void files_remove_folder(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int files_write(const char *path, const void *bytes, size_t len, unsigned mode, struct err *err)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't create %s", temporary);
    int failed = write_all(fd, bytes, len) != 0 || fsync(fd) != 0;
    failed |= close(fd) != 0;
    if (failed || rename(temporary, path) != 0 || files_sync_folder(path, err) != 0) {
        int status = err_errno(err, ERR_STORAGE, "can't write %s", path);
        unlink(temporary);
        return status;
    }
    return 0;
}
