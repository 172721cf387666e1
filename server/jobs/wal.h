/* wal: when the writer moves the write-ahead log into the database.
 *
 * While it has work: PASSIVE every 64 commits, which waits for nobody. SQLite then writes the log
 * from its beginning again, and the file keeps the size that it once had. When the writer has had
 * nothing to do for two seconds: TRUNCATE, so that an idle daemon's log takes no room and a copy of
 * the folder needs none.
 *
 * A reader that holds a moment of the store for long keeps the log from beginning again, and it
 * grows. Beyond a bound TRUNCATE is tried at once, and from then on in the place of PASSIVE; it
 * asks for the readers' locks without waiting for them. If the log is larger than the bound even so,
 * a reader holds it, which is logged, once.
 */
#ifndef ABLATE_SERVER_WAL_H
#define ABLATE_SERVER_WAL_H

#include "server/store/store.h"

enum { WAL_IDLE_MS = 2000, WAL_BOUND = 64 << 20 /* bytes */ };

/* The writer thread's. */
struct wal {
    int64_t bytes;     /* of the file */
    int64_t idle_from; /* monotonic: the last commit, or the last try */
    unsigned commits;
    bool held; /* it is beyond the bound, and a reader keeps it there */
};
void wal_begin(struct wal *, struct store *);
/* After a commit. */
void wal_committed(struct wal *, struct store *);
/* While there is nothing else to do. */
void wal_rest(struct wal *, struct store *);

#endif
