/* A look at the disk is a job of the pool; its outcome is taken over on the loop. The decision
 * what follows from a look (space_next) is pure. */
#include "server/jobs/space.h"

#include "common/base/log.h"
#include "server/jobs/work_beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOOK_MS = 2000 };

const char *const space_state_names[] = { "ample", "low", "full", NULL };

struct space {
    const struct datadir *datadir;
    struct work *work;
    int64_t ballast_bytes;
    void (*changed)(void *);
    void *arg;
    struct space_seen last; /* the loop's */
    bool failed;            /* a write has, since the look that is under way began */
    bool looking, closing;
    struct job look, rest;

    /* The look under way; the pool's while `looking`. */
    struct space_seen seen;
    bool seen_failed;
};

enum space_state space_next(const struct space_seen *seen, int64_t ballast_bytes, bool write_failed)
{
    int64_t free_bytes = seen->free_bytes;
    /* Without the ballast there must be room to lay it down and as much again. */
    bool roomy =
        seen->ballast_bytes > 0 ? free_bytes >= ballast_bytes : free_bytes >= 2 * ballast_bytes;
    if (write_failed)
        return SPACE_FULL;
    if (seen->state == SPACE_AMPLE)
        return roomy ? SPACE_AMPLE : SPACE_LOW;
    if (seen->state == SPACE_LOW && seen->ballast_bytes > 0 && free_bytes < ballast_bytes / 8)
        return SPACE_FULL; /* before a write has to fail */
    /* Back only with something to spare, so that it doesn't come and go. */
    int64_t enough = ballast_bytes > 0 ? ballast_bytes + ballast_bytes / 4 : 1 << 20;
    return roomy && free_bytes >= enough ? SPACE_AMPLE : seen->state;
}

/* The disk. */

static void measure(const struct datadir *datadir, struct space_seen *to)
{
    char path[PATH_MAX];
    struct statvfs disk;
    struct stat file;
    datadir_path(datadir, path, "ballast");
    to->ballast_bytes = stat(path, &file) == 0 ? file.st_size : 0;
    if (statvfs(datadir->path, &disk) != 0)
        return; /* as before */
    to->free_bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    to->disk_bytes = (int64_t)disk.f_blocks * (int64_t)disk.f_frsize;
}

static void give_up(const struct datadir *datadir)
{
    char path[PATH_MAX];
    datadir_path(datadir, path, "ballast");
    unlink(path);
}

/* Real blocks: a hole would give nothing back. */
static bool lay_down(const struct datadir *datadir, int64_t bytes)
{
    char path[PATH_MAX];
    datadir_path(datadir, path, "ballast");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool done = fd >= 0 && posix_fallocate(fd, 0, bytes) == 0;
    if (fd >= 0)
        close(fd);
    if (!done)
        unlink(path);
    return done;
}

void space_start(const struct datadir *datadir, int64_t ballast_bytes)
{
    struct space_seen seen = { 0 };
    measure(datadir, &seen);
    if (seen.ballast_bytes > 0 && (ballast_bytes == 0 || seen.free_bytes < ballast_bytes))
        give_up(datadir);
}

static int look_run(struct job *job, struct store *store, struct err *err)
{
    struct space *space = job->data;
    (void)store;
    (void)err;
    space->seen.standing = datadir_look(space->datadir);
    if (space->seen.standing != DATADIR_HERE)
        return 0;
    measure(space->datadir, &space->seen);
    space->seen.state = space_next(&space->seen, space->ballast_bytes, space->seen_failed);
    if (space->seen.state == SPACE_FULL)
        give_up(space->datadir);
    else if (space->seen.state == SPACE_AMPLE && space->ballast_bytes > 0 &&
             space->seen.ballast_bytes != space->ballast_bytes &&
             !lay_down(space->datadir, space->ballast_bytes))
        space->seen.state = SPACE_LOW;
    measure(space->datadir, &space->seen);
    return 0;
}

/* The loop. */

static void look(struct space *space);

static void rested(struct job *job)
{
    struct space *space = job->data;
    if (!space->looking)
        look(space);
    if (!space->closing)
        work_later(space->work, &space->rest, LOOK_MS);
}

static void tell_standing(const struct space *space)
{
    const char *reason = datadir_reason(space->last.standing);
    if (reason != NULL)
        log_error("%s (%s)", reason, space->datadir->path);
    else
        log_info("the data folder %s is back", space->datadir->path);
}

static void look_done(struct job *job)
{
    struct space *space = job->data;
    enum space_state before = space->last.state;
    enum datadir_standing stood = space->last.standing;
    bool was_open = space_open(space);
    space->looking = false;
    space->last = space->seen;
    if (space->last.standing != stood)
        tell_standing(space);
    if (space->last.state != before) {
        const char *name = space_state_names[space->last.state];
        double mib = (double)space->last.free_bytes / 1048576.0;
        if (space->last.state == SPACE_AMPLE)
            log_info("the data folder's disk has room again: %.1f MiB", mib);
        else
            log_warn("the data folder's disk is %s: %.1f MiB are free; nothing new is taken on",
                     name, mib);
    }
    if (was_open != space_open(space))
        space->changed(space->arg);
    if (space->failed)
        look(space);
}

static void look(struct space *space)
{
    if (space->closing)
        return;
    space->looking = true;
    space->seen = space->last;
    space->seen_failed = space->failed;
    space->failed = false;
    space->look = (struct job){ .run = look_run, .done = look_done, .data = space };
    work_pool(space->work, &space->look);
}

int space_new(const struct datadir *datadir, int64_t ballast_bytes, struct work *work,
              void (*changed)(void *arg), void *arg, struct space **ret, struct err *err)
{
    struct space *space = calloc(1, sizeof *space);
    if (space == NULL)
        return err_no_memory(err, "the watch over the disk");
    *space = (struct space){ .datadir = datadir,
                             .work = work,
                             .ballast_bytes = ballast_bytes,
                             .changed = changed,
                             .arg = arg };
    space->rest = (struct job){ .done = rested, .data = space };
    work_later(work, &space->rest, LOOK_MS);
    look(space);
    *ret = space;
    return 0;
}

void space_full(struct space *space)
{
    if (space == NULL)
        return;
    space->failed = true;
    if (!space->looking && space->last.state != SPACE_FULL)
        look(space);
}

const struct space_seen *space_seen(const struct space *space)
{
    return &space->last;
}

bool space_open(const struct space *space)
{
    return space->last.state == SPACE_AMPLE && space->last.standing == DATADIR_HERE;
}

int space_check(const struct space *space, struct err *err)
{
    if (space == NULL || space_open(space))
        return 0;
    if (space->last.standing != DATADIR_HERE)
        return err_set(err, ERR_UNAVAILABLE, "%s", datadir_reason(space->last.standing));
    return err_set(
        err, ERR_DISK_FULL,
        "the disk of the data folder is %s (%.1f MiB are free): runs wait, and nothing "
        "new is taken on until there is room; delete and purge experiments, or make some",
        space->last.state == SPACE_LOW ? "nearly full" : "full",
        (double)space->last.free_bytes / 1048576.0);
}

void space_close(struct space *space)
{
    if (space != NULL)
        space->closing = true;
}

void space_free(struct space *space)
{
    free(space);
}
