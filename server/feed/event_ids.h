/* event_ids: below which id a data folder's daemons have told events.
 *
 * The store knows of its own alone. An older ablate.db that is put back, or one whose write-ahead
 * log has lost its end, would give ids again, and who follows the events by one of before would
 * miss what has it now. So the folder's lock says it, too, "<identity of the database> <id>": while
 * a daemon serves a multiple of EVENT_IDS_STEP, so that it is seldom written, and before the commit
 * that needs it; the next one's own after a clean end. It is written in place, by the descriptor:
 * that takes no room on a full disk, and is the daemon's own wherever the folder is moved to.
 *
 * What the store doesn't know below that id, and the id, are passed over by the first commit of a
 * life. Who has seen no more than the store has goes on; who has seen more is told to begin anew
 * (store_identity.h), before that commit and after it. A store that none of the folder's daemons can
 * have left (another identity, or beyond the id) begins anew for everybody, before it serves.
 */
#ifndef ABLATE_SERVER_EVENT_IDS_H
#define ABLATE_SERVER_EVENT_IDS_H

#include "server/data/datadir.h"
#include "server/store/store_identity.h"

enum { EVENT_IDS_STEP = 10000 /* a death costs as much of the events that are kept */ };

struct event_ids {
    char database[STORE_IDENTITY_HEX + 1]; /* the store's */
    int64_t id;                            /* that the lock says: all were below; 0 = none */
    int64_t newest;                        /* of the last commit; 0 = there was none yet */
    int64_t past; /* the id up to which they are passed over; 0 = none is */
    bool strange; /* the store isn't what a daemon of the folder has left */
};

/* Reader, at the start. lost: the store has forgotten runs (forgotten.h). */
int event_ids_look(struct store *store, const struct datadir *datadir, bool lost,
                   struct event_ids *ret, struct err *err);
/* Writer, before the events of a commit get their ids: passes over them, unless that has been done.
 * Not at the start, which writes nothing and so can be made on a full disk; but there, too, for a
 * strange store, whose events are forgotten. */
int event_ids_pass(const struct event_ids *ids, struct store *store, struct err *err);
/* Writer, before each commit. Errors: STORAGE, DISK_FULL. */
int event_ids_note(struct event_ids *ids, struct store *store, const struct datadir *datadir,
                   struct err *err);
/* After the last commit. */
void event_ids_end(const struct event_ids *ids, const struct datadir *datadir);

#endif
