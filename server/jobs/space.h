/* space: whether the data folder's disk has room, and what is done while it has none.
 *
 *   ample   all goes on
 *   low     less than the size of the ballast is free. Nothing new is taken on: no submissions, no
 *           corpora, no claims. What trains goes on.
 *   full    a write found no room. The ballast, a file that only takes up room, is given up, so
 *           that what is under way can be stored and things can be deleted and purged; trainers wait
 *           at their next write and lose nothing. Once there is room for the ballast twice over, it
 *           is laid down again, and all goes on.
 *
 * A folder that isn't at its path any more, or can't be used, is found at the same look: nothing
 * new is taken on until it is back, and nothing is done in it.
 *
 * The disk is looked at every other second, on the pool. Loop thread, but for space_start.
 */
#ifndef ABLATE_SERVER_SPACE_H
#define ABLATE_SERVER_SPACE_H

#include "server/data/datadir.h"
#include "server/jobs/work.h"

enum space_state { SPACE_AMPLE, SPACE_LOW, SPACE_FULL };
extern const char *const space_state_names[]; /* NULL at the end */

struct space_seen {
    enum space_state state;
    int64_t free_bytes, disk_bytes; /* of the disk, for us */
    int64_t ballast_bytes;          /* 0 = it is given up, or there is none */
    enum datadir_standing standing; /* of the folder; not DATADIR_HERE: the others are as before */
};

struct space;

/* Before the store is opened: gives up the ballast when that can't wait for the first look. */
void space_start(const struct datadir *datadir, int64_t ballast_bytes);
/* changed(arg): from space_open() to not, or back. ballast_bytes 0 = none, and low is never
 * said. */
int space_new(const struct datadir *datadir, int64_t ballast_bytes, struct work *work,
              void (*changed)(void *arg), void *arg, struct space **ret, struct err *err);
/* A write found no room. */
void space_full(struct space *space);
const struct space_seen *space_seen(const struct space *space);
/* Whether something new may be taken on. */
bool space_open(const struct space *space);
/* 0 while that is so; else DISK_FULL or UNAVAILABLE with the reason. space may be NULL. */
int space_check(const struct space *space, struct err *err);
/* The disk is looked at no more; free it when the work is closed. */
void space_close(struct space *space);
void space_free(struct space *space);

/* The decision alone: what follows from what was seen. */
enum space_state space_next(const struct space_seen *seen, int64_t ballast_bytes,
                            bool write_failed);

#endif
