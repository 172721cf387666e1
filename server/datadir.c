#include "server/datadir.h"

#include "common/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

void datadir_random_hex(size_t n, char *ret)
{
    uint8_t bytes[64];
    n = n > sizeof bytes ? sizeof bytes : n;
    if (getentropy(bytes, n) != 0)
        abort(); /* no secrets without entropy */
    digest_hex(bytes, n, ret);
}

void datadir_path(const struct datadir *dir, char ret[PATH_MAX], const char *format, ...)
{
    int len = snprintf(ret, PATH_MAX, "%s/", dir->path);
    va_list args;
    va_start(args, format);
    vsnprintf(ret + len, (size_t)(PATH_MAX - len), format, args);
    va_end(args);
}

static int set_path(const char *path, struct datadir *dir, struct err *err)
{
    char full[PATH_MAX];
    if (realpath(path, full) == NULL)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_STORAGE,
                         "can't open the data folder %s", path);
    if (strlen(full) >= sizeof dir->path)
        return err_set(err, ERR_USAGE, "the path of the data folder is longer than %zu characters",
                       sizeof dir->path - 1);
    memcpy(dir->path, full, strlen(full) + 1);
    return 0;
}

static int take_lock(struct datadir *dir, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(dir, path, "lock");
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? err_set(err, ERR_RUNNING, "another daemon uses the data folder %s", dir->path)
                   : err_errno(err, ERR_STORAGE, "can't lock %s", path);
    return 0;
}

int datadir_empty_tmp(const struct datadir *dir, const char *prefix, size_t *ret_left,
                      struct err *err)
{
    char path[PATH_MAX], below[PATH_MAX];
    size_t left = 0;
    datadir_path(dir, path, "tmp");
    /* Never through a link: what is there goes. */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder == NULL) {
        int status = err_errno(err, ERR_STORAGE, "can't open %s", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        datadir_path(dir, below, "tmp/%s", entry->d_name);
        files_remove_folder(below);
        left += faccessat(fd, entry->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    }
    closedir(folder);
    if (ret_left != NULL)
        *ret_left = left;
    return 0;
}

int datadir_hold(const struct datadir *dir, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(dir, path, "hold");
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int status = errno == EWOULDBLOCK ? err_set(err, ERR_UNAVAILABLE, "a backup is being made")
                                      : err_errno(err, ERR_STORAGE, "can't lock %s", path);
    close(fd);
    return status;
}

/* What an earlier daemon left behind: half an upload, an address where nobody listens. */
static int clear_leftovers(const struct datadir *dir, struct err *err)
{
    datadir_set_address(dir, NULL, NULL);
    return datadir_empty_tmp(dir, "", NULL, err);
}

int datadir_open(const char *path, struct datadir *ret, struct err *err)
{
    static const char *const folders[] = {
        "tmp", "datasets", "runs", "cache", "links", "sessions"
    };
    char below[PATH_MAX];
    struct datadir dir = { .lock_fd = -1 };
    int status = files_make_folder(path, err);
    if (status == 0)
        status = set_path(path, &dir, err);
    if (status == 0)
        status = take_lock(&dir, err);
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == 0; i++) {
        datadir_path(&dir, below, "%s", folders[i]);
        status = files_make_folder(below, err);
    }
    if (status == 0)
        status = clear_leftovers(&dir, err);
    datadir_path(&dir, below, "unclean");
    dir.unclean = access(below, F_OK) == 0;
    if (status == 0)
        status = tokens_open(dir.path, &dir.tokens, err);
    if (status == 0)
        *ret = dir;
    else
        datadir_done(&dir);
    return status;
}

int datadir_peek(const char *path, struct datadir *ret, struct err *err)
{
    struct datadir dir = { .lock_fd = -1 };
    int status = set_path(path, &dir, err);
    if (status == 0)
        status = tokens_peek(dir.path, &dir.tokens, err);
    if (status == 0)
        *ret = dir;
    return status;
}

void datadir_done(struct datadir *dir)
{
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    *dir = (struct datadir){ .lock_fd = -1 };
}

int datadir_set_unclean(const struct datadir *dir, bool unclean, struct err *err)
{
    static const char text[] =
        "A daemon serves this folder, or has died; the next one checks it.\n";
    char path[PATH_MAX];
    datadir_path(dir, path, "unclean");
    if (unclean)
        return dir->unclean ? 0 : files_write(path, text, sizeof text - 1, 0600, err);
    unlink(path);
    return 0;
}

int datadir_set_address(const struct datadir *dir, const char *base_url, struct err *err)
{
    char path[PATH_MAX], line[400];
    datadir_path(dir, path, "address");
    if (base_url == NULL) {
        unlink(path);
        return 0;
    }
    int len = snprintf(line, sizeof line, "%s\n", base_url);
    return files_write(path, line, (size_t)len, 0600, err);
}

int datadir_address(const struct datadir *dir, char *ret, size_t size, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t len = 0;
    datadir_path(dir, path, "address");
    int status = files_read(path, 4096, &text, &len, err);
    if (status == -ERR_NOT_FOUND)
        return err_set(err, ERR_UNAVAILABLE, "no daemon serves %s", dir->path);
    if (status == 0)
        snprintf(ret, size, "%.*s", (int)strcspn(text, "\n"), text);
    free(text);
    return status;
}
