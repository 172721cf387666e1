/* recover: what a daemon finds out about its store and its folder before it serves.
 *
 * A store may have lost its last commits, be an older one that was put back, or another one: then
 * there are folders of runs that it doesn't know (server/runs/forgotten.h), and ids of events that
 * were told already (server/feed/event_ids.h). Neither is given again: the daemon takes no request
 * before the store has passed over them. While the disk is full, or another process holds the
 * database, the start waits.
 */
#ifndef ABLATE_SERVER_RECOVER_H
#define ABLATE_SERVER_RECOVER_H

#include "server/data/datadir.h"
#include "server/feed/event_ids.h"
#include "server/jobs/work.h"

struct recovery {
    const struct datadir *datadir;
    struct work *work;
    void (*done)(int status, struct err *err, void *arg); /* once, on the loop; not after closing */
    void *arg;
    bool closing;               /* the daemon ends: nothing more is begun */
    int64_t last_seq;           /* of the events that are stored, once it is done */
    int64_t forgotten;          /* up to which id there are runs that the store doesn't know */
    struct event_ids event_ids; /* the writer's, once it has begun */
    struct job job;
};

/* Begins; datadir, work, done and arg are set. Loop thread. */
void recover(struct recovery *recovery);

#endif
