/* gnuplot as a child process within limits, and the folder of pictures that it has drawn. */
#include "server/report/plot.h"

#include "common/base/files.h"
#include "server/base/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int drawing;  /* pictures that are being drawn */
static atomic_uint scratch; /* numbers the files of a drawing */

/* The files of one drawing. */
struct files {
    char script[PATH_MAX], picture[PATH_MAX], said[PATH_MAX];
};

static int start(const struct files *f, pid_t *ret_pid, struct err *err)
{
    const char *const args[] = { "gnuplot", "-d", f->script, NULL };
    char path[4096];
    const char *const env[] = { path, "LC_ALL=C.UTF-8", "HOME=/nonexistent", NULL };
    const char *own = getenv("PATH");
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    snprintf(path, sizeof path, "PATH=%s", own != NULL ? own : "/usr/local/bin:/usr/bin:/bin");
    struct program gnuplot = { .path = args[0], .args = args, .env = env, .in = -1 };
    gnuplot.out = open(f->picture, flags, 0600);
    gnuplot.err = open(f->said, flags, 0600);
    bool opened = gnuplot.out >= 0 && gnuplot.err >= 0;
    int code = opened ? program_start(&gnuplot, ret_pid) : errno;
    if (gnuplot.out >= 0)
        close(gnuplot.out);
    if (gnuplot.err >= 0)
        close(gnuplot.err);
    if (code == 0)
        return 0;
    if (opened && (code == ENOENT || code == EACCES))
        return err_set(err, ERR_UNAVAILABLE,
                       "figures are drawn by gnuplot, which isn't installed here; Debian's package "
                       "is gnuplot-nox");
    errno = code;
    return err_errno(err, ERR_STORAGE, "can't start gnuplot");
}

static void limit(pid_t pid)
{
    const struct {
        __rlimit_resource_t what;
        rlim_t most;
    } limits[] = { { RLIMIT_CPU, PLOT_SECONDS },
                   { RLIMIT_FSIZE, PLOT_BYTES },
                   { RLIMIT_AS, (rlim_t)1 << 30 },
                   { RLIMIT_CORE, 0 } };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit both = { limits[i].most, limits[i].most };
        prlimit(pid, limits[i].what, &both, NULL);
    }
}

/* Waits for the process, PLOT_SECONDS at most; then it is killed with all that it started. */
static int wait_for(pid_t pid, int *ret_status)
{
    const struct timespec nap = { 0, 10 * 1000 * 1000 };
    for (int i = 0; i < PLOT_SECONDS * 100; i++) {
        pid_t ended = waitpid(pid, ret_status, WNOHANG);
        if (ended == pid)
            return 0;
        if (ended < 0 && errno != EINTR)
            return -1;
        nanosleep(&nap, NULL);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, ret_status, 0);
    return -1;
}

static int draw(const struct files *f, struct err *err)
{
    pid_t pid = 0;
    int ended = 0;
    char *said = NULL;
    size_t said_bytes = 0;
    int status = start(f, &pid, err);
    if (status != 0)
        return status;
    limit(pid);
    if (wait_for(pid, &ended) != 0)
        return err_set(err, ERR_INTERNAL, "gnuplot didn't end within %d s", PLOT_SECONDS);
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
        files_read(f->said, 1 << 16, &said, &said_bytes, NULL);
        err_set(err, ERR_INTERNAL, "gnuplot failed: %.300s", said != NULL ? said : "");
        free(said);
        return -ERR_INTERNAL;
    }
    return 0;
}

/* Removes the pictures that were used longest ago, so that there is room for another. */
static void make_room(const char *folder)
{
    for (;;) {
        char oldest[NAME_MAX + 1] = "";
        int64_t since = INT64_MAX;
        size_t n = 0;
        DIR *dir = opendir(folder);
        if (dir == NULL)
            return;
        for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
            struct stat info;
            if (strncmp(e->d_name, "figure-", 7) != 0 ||
                fstatat(dirfd(dir), e->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            n++;
            int64_t at = info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
            if (at < since) {
                since = at;
                snprintf(oldest, sizeof oldest, "%s", e->d_name);
            }
        }
        int gone = n < PLOT_KEPT ? -1 : unlinkat(dirfd(dir), oldest, 0);
        closedir(dir);
        if (gone != 0)
            return;
    }
}

static int add_file(const char *path, struct buf *to, struct err *err)
{
    char *bytes = NULL;
    size_t len = 0;
    int status = files_read(path, PLOT_BYTES, &bytes, &len, err);
    if (status == 0)
        buf_add(to, bytes, len);
    free(bytes);
    return status;
}

static int draw_new(const char *folder, const char *kept, const struct buf *script, struct buf *to,
                    struct err *err)
{
    struct files f;
    unsigned number = atomic_fetch_add(&scratch, 1);
    snprintf(f.script, sizeof f.script, "%s/drawing-%u.gp", folder, number);
    snprintf(f.picture, sizeof f.picture, "%s/drawing-%u.out", folder, number);
    snprintf(f.said, sizeof f.said, "%s/drawing-%u.err", folder, number);
    int status = files_write(f.script, script->data, script->len, 0600, err);
    if (status == 0)
        status = draw(&f, err);
    if (status == 0)
        status = add_file(f.picture, to, err);
    if (status == 0 && to->len == 0)
        status = err_set(err, ERR_INTERNAL, "gnuplot drew nothing");
    if (status == 0) {
        make_room(folder);
        rename(f.picture, kept);
    }
    unlink(f.script);
    unlink(f.picture);
    unlink(f.said);
    return status;
}

int plot_make(const char *folder, const char *tag, const char *suffix, const struct buf *script,
              struct buf *to, struct err *err)
{
    char kept[PATH_MAX];
    if (script->failed)
        return err_no_memory(err, "the figure");
    int status = files_make_folder(folder, err);
    if (status != 0)
        return status;
    snprintf(kept, sizeof kept, "%s/figure-%s.%s", folder, tag, suffix);
    if (add_file(kept, to, NULL) == 0) {
        utimensat(AT_FDCWD, kept, NULL, 0); /* used now */
        return 0;
    }
    if (atomic_fetch_add(&drawing, 1) >= PLOT_AT_ONCE)
        status = err_set(err, ERR_TOO_MANY_REQUESTS,
                         "%d figures are being drawn; ask again in a second", PLOT_AT_ONCE);
    else
        status = draw_new(folder, kept, script, to, err);
    atomic_fetch_sub(&drawing, 1);
    return status;
}
