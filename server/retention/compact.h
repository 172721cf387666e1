/* compact: events.ndjson of attempts that have ended and whose events are stored. Its log lines are
 * kept (runs/{id}/log shows them); the rest is in the database and makes room. A file that holds
 * more than could be stored is left as it is, and so is one in a folder of another run (owner.h).
 */
#ifndef ABLATE_SERVER_COMPACT_H
#define ABLATE_SERVER_COMPACT_H

#include "server/data/datadir.h"
#include "server/store/runs/store_purge.h"

struct compact {
    struct events_file *files; /* owned; a part of all there are */
    size_t n;
    bool *strange; /* owned; of each: whether the folder isn't the run's */
    bool *stored;  /* owned; of each: whether it holds log lines alone now */
};
/* Reader: takes the next of those that ended before a time; n = 0: there is none. Errors: the
 * store's, NO_MEMORY, UNAVAILABLE while the folders can't be looked at; c is empty after one. */
int compact_list(struct compact *c, struct store *store, const struct datadir *datadir,
                 int64_t ended_before_ms, struct err *err);
/* Pool: writes them anew. Errors: UNAVAILABLE (a backup is being made), STORAGE, DISK_FULL. */
int compact_files_of(struct compact *c, const struct datadir *datadir, struct err *err);
/* Writer: notes what became of them. */
int compact_mark(struct compact *c, struct store *store, struct err *err);
void compact_done(struct compact *c);

#endif
