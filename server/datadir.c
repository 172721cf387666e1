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
#include <sys/stat.h>
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

static int read_token(struct datadir *dir, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(dir, path, "token");
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_errno(err, ERR_STORAGE, "can't read %s", path);
    char line[80] = "";
    size_t len = fgets(line, sizeof line, file) != NULL ? strcspn(line, "\n") : 0;
    fclose(file);
    line[len] = '\0';
    if (len != 64 || strspn(line, "0123456789abcdef") != 64)
        return err_set(
            err, ERR_BAD_DATA,
            "%s holds no token (64 hexadecimal digits); remove it to have a new one made", path);
    memcpy(dir->token, line, 65);
    uint8_t instance[DIGEST_BYTES];
    digest_hmac(dir->token, 64, "sign", 4, dir->key);
    digest_hmac(dir->token, 64, "instance", 8, instance);
    digest_hex(instance, 8, dir->instance);
    return 0;
}

static int make_secrets(const struct datadir *dir, struct err *err)
{
    char path[PATH_MAX], token[66], curlrc[160];
    datadir_path(dir, path, "token");
    if (access(path, F_OK) == 0)
        return 0;
    datadir_random_hex(32, token);
    snprintf(
        curlrc, sizeof curlrc,
        "# curl -K: sends the token of this data folder\nheader = \"Authorization: Bearer %s\"\n",
        token);
    char curlrc_path[PATH_MAX];
    datadir_path(dir, curlrc_path, "curlrc");
    int status = files_write(curlrc_path, curlrc, strlen(curlrc), 0600, err);
    token[64] = '\n';
    return status == 0 ? files_write(path, token, 65, 0600, err) : status;
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

int datadir_empty_tmp(const struct datadir *dir, const char *prefix, struct err *err)
{
    char path[PATH_MAX], below[PATH_MAX];
    datadir_path(dir, path, "tmp");
    DIR *folder = opendir(path);
    if (folder == NULL)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        datadir_path(dir, below, "tmp/%s", entry->d_name);
        files_remove_folder(below);
    }
    closedir(folder);
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
    return datadir_empty_tmp(dir, "", err);
}

int datadir_open(const char *path, struct datadir *ret, struct err *err)
{
    static const char *const folders[] = { "tmp", "datasets", "runs", "cache" };
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
        status = make_secrets(&dir, err);
    if (status == 0)
        status = read_token(&dir, err);
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
        status = read_token(&dir, err);
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
