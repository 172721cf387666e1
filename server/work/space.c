#include "server/work/space.h"

#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOOK_MS = 2000 };

const char *const room_state_names[] = { "ample", "low", "full", NULL };

struct room {
    const struct datadir *datadir;
    struct work *work;
    int64_t ballast_bytes;
    void (*changed)(void *);
    void *arg;
    struct room_facts facts; /* the loop's */
    bool failed;             /* a write has, since the look that is under way began */
    bool looking, closing;
    struct job look, rest;

    /* The look under way; the pool's while `looking`. */
    struct room_facts seen;
    bool seen_failed;
};

enum room_state room_next(const struct room_facts *seen, int64_t ballast_bytes, bool write_failed)
{
    int64_t free_bytes = seen->free_bytes;
    /* Without the ballast there must be room to lay it down and as much again. */
    bool roomy =
        seen->ballast_bytes > 0 ? free_bytes >= ballast_bytes : free_bytes >= 2 * ballast_bytes;
    if (write_failed)
        return ROOM_FULL;
    if (seen->state == ROOM_AMPLE)
        return roomy ? ROOM_AMPLE : ROOM_LOW;
    if (seen->state == ROOM_LOW && seen->ballast_bytes > 0 && free_bytes < ballast_bytes / 8)
        return ROOM_FULL; /* before a write has to fail */
    /* Back only with something to spare, so that it doesn't come and go. */
    int64_t enough = ballast_bytes > 0 ? ballast_bytes + ballast_bytes / 4 : 1 << 20;
    return roomy && free_bytes >= enough ? ROOM_AMPLE : seen->state;
}

/* The disk. */

static void measure(const struct datadir *datadir, struct room_facts *to)
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

void room_start(const struct datadir *datadir, int64_t ballast_bytes)
{
    struct room_facts seen = { 0 };
    measure(datadir, &seen);
    if (seen.ballast_bytes > 0 && (ballast_bytes == 0 || seen.free_bytes < ballast_bytes))
        give_up(datadir);
}

static int look_run(struct job *job, struct store *store, struct err *err)
{
    struct room *room = job->data;
    (void)store;
    (void)err;
    room->seen.standing = datadir_look(room->datadir);
    if (room->seen.standing != DATADIR_HERE)
        return 0;
    measure(room->datadir, &room->seen);
    room->seen.state = room_next(&room->seen, room->ballast_bytes, room->seen_failed);
    if (room->seen.state == ROOM_FULL)
        give_up(room->datadir);
    else if (room->seen.state == ROOM_AMPLE && room->ballast_bytes > 0 &&
             room->seen.ballast_bytes != room->ballast_bytes &&
             !lay_down(room->datadir, room->ballast_bytes))
        room->seen.state = ROOM_LOW;
    measure(room->datadir, &room->seen);
    return 0;
}

/* The loop. */

static void look(struct room *room);

static void rested(struct job *job)
{
    struct room *room = job->data;
    if (!room->looking)
        look(room);
    if (!room->closing)
        work_later(room->work, &room->rest, LOOK_MS);
}

static void tell_standing(const struct room *room)
{
    const char *reason = datadir_reason(room->facts.standing);
    if (reason != NULL)
        log_error("%s (%s)", reason, room->datadir->path);
    else
        log_info("the data folder %s is back", room->datadir->path);
}

static void look_done(struct job *job)
{
    struct room *room = job->data;
    enum room_state before = room->facts.state;
    enum datadir_standing stood = room->facts.standing;
    bool was_open = room_open(room);
    room->looking = false;
    room->facts = room->seen;
    if (room->facts.standing != stood)
        tell_standing(room);
    if (room->facts.state != before) {
        const char *name = room_state_names[room->facts.state];
        double mib = (double)room->facts.free_bytes / 1048576.0;
        if (room->facts.state == ROOM_AMPLE)
            log_info("the data folder's disk has room again: %.1f MiB", mib);
        else
            log_warn("the data folder's disk is %s: %.1f MiB are free; nothing new is taken on",
                     name, mib);
    }
    if (was_open != room_open(room))
        room->changed(room->arg);
    if (room->failed)
        look(room);
}

static void look(struct room *room)
{
    if (room->closing)
        return;
    room->looking = true;
    room->seen = room->facts;
    room->seen_failed = room->failed;
    room->failed = false;
    room->look = (struct job){ .run = look_run, .done = look_done, .data = room };
    work_pool(room->work, &room->look);
}

int room_new(const struct datadir *datadir, int64_t ballast_bytes, struct work *work,
             void (*changed)(void *arg), void *arg, struct room **ret, struct err *err)
{
    struct room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the watch over the disk");
    *room = (struct room){ .datadir = datadir,
                           .work = work,
                           .ballast_bytes = ballast_bytes,
                           .changed = changed,
                           .arg = arg };
    room->rest = (struct job){ .done = rested, .data = room };
    work_later(work, &room->rest, LOOK_MS);
    look(room);
    *ret = room;
    return 0;
}

void room_full(struct room *room)
{
    if (room == NULL)
        return;
    room->failed = true;
    if (!room->looking && room->facts.state != ROOM_FULL)
        look(room);
}

const struct room_facts *room_facts(const struct room *room)
{
    return &room->facts;
}

bool room_open(const struct room *room)
{
    return room->facts.state == ROOM_AMPLE && room->facts.standing == DATADIR_HERE;
}

int room_check(const struct room *room, struct err *err)
{
    if (room == NULL || room_open(room))
        return 0;
    if (room->facts.standing != DATADIR_HERE)
        return err_set(err, ERR_UNAVAILABLE, "%s", datadir_reason(room->facts.standing));
    return err_set(
        err, ERR_DISK_FULL,
        "the disk of the data folder is %s (%.1f MiB are free): runs wait, and nothing "
        "new is taken on until there is room; delete and purge experiments, or make some",
        room->facts.state == ROOM_LOW ? "nearly full" : "full",
        (double)room->facts.free_bytes / 1048576.0);
}

void room_close(struct room *room)
{
    if (room != NULL)
        room->closing = true;
}

void room_free(struct room *room)
{
    free(room);
}
