/* purge: what was deleted for good, or for longer than it is kept, leaves the disk; so do corpora
 * that nobody holds any more, the checkpoints of runs that ended long ago, and events that lie in
 * files although they are stored.
 *
 * One thing at a time, each a short job of the writer or the pool, so that nobody waits for it:
 *
 *   queued runs of deleted experiments are cancelled, if a daemon died over that
 *   → expired experiments are asked for
 *   → runs: their folders (pool), their rows, 5,000 a transaction → the next runs …
 *   → the experiment → corpora, checkpoints (collect.h) → events files (compact.h)
 *   → rest for ten minutes
 *
 * Runs' folders go before their rows: whatever moment the daemon dies at, the rows that are left
 * say what is left to do, and the next start does it; tmp/ is emptied at every start. While a
 * backup is made (the folder's `hold` lock) nothing is removed.
 */
#ifndef ABLATE_SERVER_PURGE_H
#define ABLATE_SERVER_PURGE_H

#include "server/data/datadir.h"
#include "server/jobs/work.h"

struct purge;

struct purge_config {
    const struct datadir *datadir;
    int64_t keep_deleted_ms, keep_events_ms, keep_checkpoints_ms; /* INT64_MAX = for ever */
};
/* Begins at once with what was left unfinished. */
int purge_new(const struct purge_config *config, struct work *work, struct purge **ret,
              struct err *err);
/* Something was asked for. */
void purge_kick(struct purge *purge);
/* Nothing is begun from now on; free it when the work is closed. */
void purge_close(struct purge *purge);
void purge_free(struct purge *purge);

/* Without a loop, for `ablated purge`: removes every deleted experiment, and what only they held.
 * Errors: the store's, UNAVAILABLE (a backup is being made). */
int purge_all(struct store *store, const struct datadir *datadir, int64_t *ret_n, struct err *err);

#endif
