/* event_ids: below which id a data folder's daemons have told events.
 *
 * A store knows only the events that it holds. An older ablate.db that is put back, or one whose
 * write-ahead log has lost its end, would give their ids once more, and a reader that had seen the
 * former events would miss the new ones. So the folder's lock has a line, too,
 * "<identity of the database> <id>": all ids that were told are below it. While a daemon serves the
 * id is a multiple of EVENT_IDS_STEP, so that the line is seldom written; it is written before the
 * commit that needs it. After a clean end it is the next event's own id. The line is written in
 * place, by the descriptor: that takes no room on a full disk, and reaches the daemon's own folder
 * wherever that is moved to.
 *
 * The first commit of a daemon's life passes over the ids that the store doesn't know, up to the
 * line's. A reader that has seen no more than the store has goes on; one that has seen more is told
 * to begin anew (store_identity.h), before that commit and after it. A store that no daemon of the
 * folder can have left (another identity, or events beyond the line's id) makes every reader begin
 * anew, before it serves.
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
