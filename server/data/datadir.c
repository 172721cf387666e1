/* The folder's lock, the table of the names that a start makes in it (and takes away again when it
 * is refused), whether the folder is still there, and its small files: address, unclean, hold. */
#include "server/data/datadir.h"

#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/utf8.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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
    if (!utf8_valid(full, strlen(full), NULL)) /* it stands in the JSON that children are told */
        return err_set(err, ERR_USAGE, "the path of the data folder must be UTF-8");
    memcpy(dir->path, full, strlen(full) + 1);
    return 0;
}

/* Whether the lock is still the one at its path: a start that was refused takes its own away. */
static bool lock_stands(const struct datadir *dir, const char *path)
{
    struct stat ours, theirs;
    return fstat(dir->lock_fd, &ours) == 0 && lstat(path, &theirs) == 0 &&
           ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

static int take_lock(struct datadir *dir, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(dir, path, "lock");
    for (;;) {
        dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (dir->lock_fd < 0)
            return err_errno(err, ERR_STORAGE, "can't open %s", path);
        if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0)
            return errno == EWOULDBLOCK
                       ? err_set(err, ERR_RUNNING, "another daemon uses the data folder %s",
                                 dir->path)
                       : err_errno(err, ERR_STORAGE, "can't lock %s", path);
        if (lock_stands(dir, path))
            return 0;
        close(dir->lock_fd);
    }
}

/* What a start makes, so that one that is refused can take it away again; what else lies in the
 * folder is nobody's to remove. */
static const char *const names[] = {
    "tmp",           "datasets",      "runs",         "cache",        "links",
    "sessions",      "token",         "token.submit", "token.read",   "curlrc",
    "curlrc.submit", "curlrc.read",   "instance",     "key",          "unclean",
    "address",       "ballast",       "hold",         "worker.sock",  "ablate.db",
    "ablate.db-wal", "ablate.db-shm", "lock",         "address.next",
};
enum { NAMES = sizeof names / sizeof *names, FOLDERS = 6 };
static_assert(NAMES <= 32, "datadir.fresh has a bit for each");

static unsigned missing_names(const char *path)
{
    char below[PATH_MAX];
    unsigned missing = 0;
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(below, sizeof below, "%s/%s", path, names[i]);
        if (faccessat(AT_FDCWD, below, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
            missing |= 1U << i;
    }
    return missing;
}

static unsigned bit_of(const char *name)
{
    unsigned bit = 1;
    for (size_t i = 0; strcmp(names[i], name) != 0; i++)
        bit <<= 1;
    return bit;
}

/* What is missing and will be this start's own. What lies beside a database that was there is part
 * of it, whoever makes it: its log may hold what was committed, a backup may hold the folder. */
static unsigned fresh_names(const char *path)
{
    unsigned missing = missing_names(path);
    unsigned beside = bit_of("ablate.db-wal") | bit_of("ablate.db-shm") | bit_of("hold");
    return (missing & bit_of("ablate.db")) != 0 ? missing : missing & ~beside;
}

static void cut_slashes(char *path)
{
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/';)
        path[--len] = '\0';
}

/* Cuts a path to the folder that its end lies in; false when it names none but / itself. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return false;
    *slash = '\0';
    cut_slashes(path);
    return true;
}

/* How many folders of the path files_make_folder will have to make. */
static size_t missing_levels(const char *path)
{
    char part[PATH_MAX];
    size_t n = 0;
    snprintf(part, sizeof part, "%s", path);
    cut_slashes(part);
    for (bool more = true; more && access(part, F_OK) != 0 && errno == ENOENT; n++)
        more = go_up(part);
    return n;
}

/* Removes what was missing when the folder was opened. The lock goes last, while it is held. */
static void remove_fresh(const char *path, unsigned fresh, size_t levels)
{
    char below[PATH_MAX];
    for (size_t i = 0; i < NAMES; i++)
        if ((fresh >> i & 1) != 0) {
            snprintf(below, sizeof below, "%s/%s", path, names[i]);
            files_remove_folder(below);
        }
    snprintf(below, sizeof below, "%s", path);
    cut_slashes(below);
    while (levels-- > 0 && rmdir(below) == 0 && go_up(below))
        continue;
}

void datadir_undo(struct datadir *dir)
{
    remove_fresh(dir->path, dir->fresh, dir->levels);
    datadir_done(dir);
}

/* A folder that we made is 0700. One that was there is its owner's to close, who may want it so. */
static void say_if_open(const struct datadir *dir)
{
    char path[PATH_MAX];
    struct stat folder, database;
    datadir_path(dir, path, "ablate.db");
    if (stat(dir->path, &folder) != 0 || (folder.st_mode & 077) == 0)
        return;
    bool readable = stat(path, &database) == 0 && (database.st_mode & 077) != 0;
    log_warn("the data folder %s is open to others of this machine (mode %04o)%s; close it by "
             "chmod 700",
             dir->path, (unsigned)folder.st_mode & 07777,
             readable ? ", who can read its ablate.db" : "");
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

enum datadir_standing datadir_look(const struct datadir *dir)
{
    static const char *const folders[] = { "", "runs", "datasets", "tmp" };
    char path[PATH_MAX];
    struct stat own, there;
    datadir_path(dir, path, "lock");
    if (dir->lock_fd < 0 || fstat(dir->lock_fd, &own) != 0)
        return DATADIR_HERE; /* a folder that was only peeked at */
    if (lstat(path, &there) != 0)
        return errno == ENOENT || errno == ENOTDIR ? DATADIR_MOVED : DATADIR_UNREADABLE;
    if (there.st_dev != own.st_dev || there.st_ino != own.st_ino)
        return DATADIR_MOVED;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        datadir_path(dir, path, "%s", folders[i]);
        if (access(path, R_OK | W_OK | X_OK) != 0)
            return DATADIR_UNREADABLE;
    }
    return DATADIR_HERE;
}

const char *datadir_reason(enum datadir_standing standing)
{
    static const char *const reasons[] = {
        [DATADIR_HERE] = NULL,
        [DATADIR_MOVED] =
            "folder_moved: the data folder isn't at its path any more, or another one "
            "is; nothing is begun until it is back",
        [DATADIR_UNREADABLE] = "folder_unreadable: the data folder can't be read and written; what "
                               "needs it waits",
    };
    return reasons[standing];
}

int datadir_check(const struct datadir *dir, struct err *err)
{
    const char *reason = datadir_reason(datadir_look(dir));
    return reason == NULL ? 0 : err_set(err, ERR_UNAVAILABLE, "%s (%s)", reason, dir->path);
}

int datadir_hold(const struct datadir *dir, struct err *err)
{
    char path[PATH_MAX];
    int here = datadir_check(dir, err);
    if (here != 0)
        return here;
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

/* Removes what an earlier daemon left behind: half an upload, an address where nobody listens. The
 * address file is only renamed, so that its block on the disk is there for ours: a full disk must
 * not keep a daemon from starting. */
static int clear_leftovers(const struct datadir *dir, struct err *err)
{
    char path[PATH_MAX], next[PATH_MAX];
    datadir_path(dir, path, "address");
    datadir_path(dir, next, "address.next");
    rename(path, next);
    return datadir_empty_tmp(dir, "", NULL, err);
}

/* Everything below the folder, once its lock is ours. */
static int fill(struct datadir *dir, struct err *err)
{
    char below[PATH_MAX];
    int status = 0;
    for (size_t i = 0; i < FOLDERS && status == 0; i++) {
        datadir_path(dir, below, "%s", names[i]);
        status = files_make_folder(below, err);
    }
    if (status == 0)
        status = clear_leftovers(dir, err);
    datadir_path(dir, below, "unclean");
    dir->unclean = access(below, F_OK) == 0;
    return status == 0 ? tokens_open(dir->path, &dir->tokens, err) : status;
}

/* Workers come by a socket in the folder. */
static int check_socket(const struct datadir *dir, struct err *err)
{
    const struct sockaddr_un *address = NULL;
    char path[PATH_MAX];
    datadir_path(dir, path, "worker.sock");
    return strlen(path) < sizeof address->sun_path
               ? 0
               : err_set(err, ERR_USAGE, "the path of the data folder is too long for a socket: %s",
                         path);
}

int datadir_open(const char *path, struct datadir *ret, struct err *err)
{
    struct datadir dir = { .lock_fd = -1, .levels = missing_levels(path) };
    bool ours = false; /* what is missing is made by us */
    int status = files_make_folder(path, err);
    if (status == 0)
        status = set_path(path, &dir, err);
    if (status == 0)
        status = check_socket(&dir, err);
    if (status == 0) {
        unsigned lock = missing_names(dir.path) & bit_of("lock");
        status = take_lock(&dir, err);
        ours = status == 0;
        dir.fresh = lock | fresh_names(dir.path);
    }
    if (ours)
        status = fill(&dir, err);
    if (status == 0) {
        say_if_open(&dir);
        *ret = dir;
        return 0;
    }
    remove_fresh(path, ours ? dir.fresh : 0, dir.levels);
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
    if (datadir_look(dir) == DATADIR_MOVED)
        return 0; /* it is another daemon's */
    if (unclean)
        return dir->unclean ? 0 : files_write(path, text, sizeof text - 1, 0600, err);
    unlink(path);
    return 0;
}

int datadir_set_address(const struct datadir *dir, const char *base_url, struct err *err)
{
    char path[PATH_MAX], line[400];
    datadir_path(dir, path, "address");
    if (datadir_look(dir) == DATADIR_MOVED)
        return 0; /* it is another daemon's */
    if (base_url == NULL) {
        unlink(path);
        return 0;
    }
    int len = snprintf(line, sizeof line, "%s\n", base_url);
    char next[PATH_MAX];
    datadir_path(dir, next, "address.next");
    int fd = open(next, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t n = fd >= 0 ? write(fd, line, (size_t)len) : -1; /* over what is there */
    if (n >= 0 && n < len)
        errno = ENOSPC;
    bool written = n == len && ftruncate(fd, len) == 0 && rename(next, path) == 0;
    int status = written ? 0 : err_errno(err, ERR_STORAGE, "can't write %s", path);
    if (fd >= 0)
        close(fd);
    return status;
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
