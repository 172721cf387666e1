/* forgotten: runs and attempts in the data folder that the store doesn't know. That happens when
 * its write-ahead log has lost its end (a disk that lied about fsync, a copy of half the files), or
 * when an older ablate.db was put back, or another one. The store is then as it was at an earlier
 * commit:
 *
 * - Rows of an attempt: its acked_seq went back in the same commits, so settling it, or its own
 *   trainer's next hello, reads them again. The file is the log.
 * - An attempt that is claimed once more finds a log in its folder. That log is read first, and no
 *   trainer is started over it; one that still lives is let in again. Such an attempt doesn't count
 *   towards max_attempts.
 * - A run, with its submit, can't be known again. The folder stays, and at every start ids up to
 *   its own are passed over, so that no other run meets it. Where one does all the same, the folder
 *   says that it isn't its own (owner.h).
 */
#ifndef ABLATE_SERVER_FORGOTTEN_H
#define ABLATE_SERVER_FORGOTTEN_H

#include "server/data/datadir.h"
#include "server/store/store.h"

/* Reader. The newest run that has a folder, when no run has had its id; else 0. Names that are no
 * ids, or lie 2^32 beyond what was given so far, are nobody's. */
int forgotten_runs(struct store *store, const struct datadir *datadir, int64_t *ret_last,
                   struct err *err);
/* Whether an attempt that is only about to begin has begun once. */
bool forgotten_attempt(const char *attempt_dir);
/* Writer. Lets the trainer of such an attempt in by the token that it has, if that isn't its own
 * anyway: an earlier version's was random. */
int forgotten_admit(struct store *store, const struct datadir *datadir, const char *attempt_dir,
                    int64_t run, int64_t attempt, struct err *err);

#endif
