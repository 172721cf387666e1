/* room: whether the data folder's disk has room, and what is done while it has none.
 *
 *   ample → low: less than the size of the ballast is free. Nothing new is taken on: no
 * submissions, no corpora, no claims. What trains goes on. full:        a write found no room. The
 * ballast, a file that only takes up room, is given up, so that what is under way can be stored and
 * things can be deleted and purged; trainers wait at their next write and lose nothing. → ample:
 * there is room for the ballast twice over; it is laid down again, and all goes on.
 *
 * A folder that isn't at its path any more, or can't be used, is found at the same look: nothing
 * new is taken on until it is back, and nothing is done in it.
 *
 * The disk is looked at every other second, on the pool. Loop thread, but for room_start.
 */
#ifndef ABLATE_SERVER_ROOM_H
#define ABLATE_SERVER_ROOM_H

#include "server/data/datadir.h"
#include "server/work/work.h"

enum room_state { ROOM_AMPLE, ROOM_LOW, ROOM_FULL };
extern const char *const room_state_names[]; /* NULL at the end */

struct room_facts {
    enum room_state state;
    int64_t free_bytes, disk_bytes; /* of the disk, for us */
    int64_t ballast_bytes;          /* 0 = it is given up, or there is none */
    enum datadir_standing standing; /* of the folder; not DATADIR_HERE: the others are as before */
};

struct room;

/* Before the store is opened: gives up the ballast when that can't wait for the first look. */
void room_start(const struct datadir *datadir, int64_t ballast_bytes);
/* changed(arg): from room_open() to not, or back. ballast_bytes 0 = none, and low is never said. */
int room_new(const struct datadir *datadir, int64_t ballast_bytes, struct work *work,
             void (*changed)(void *arg), void *arg, struct room **ret, struct err *err);
/* A write found no room. */
void room_full(struct room *room);
const struct room_facts *room_facts(const struct room *room);
/* Whether something new may be taken on. */
bool room_open(const struct room *room);
/* 0 while that is so; else DISK_FULL or UNAVAILABLE with the reason. room may be NULL. */
int room_check(const struct room *room, struct err *err);
/* The disk is looked at no more; free it when the work is closed. */
void room_close(struct room *room);
void room_free(struct room *room);

/* The decision alone: what follows from what was seen. */
enum room_state room_next(const struct room_facts *seen, int64_t ballast_bytes, bool write_failed);

#endif
