/* collect: files that nobody needs any more: corpora that neither a name nor a run holds, and the
 * checkpoints of runs that ended some time ago. Such a run needs them for nothing but a retry,
 * which then begins at step 0; a verification and a capsule begin there anyway, and compare with
 * the digests, which stay in the store.
 *
 * The writer looks whether anything needs a file and renames it into tmp/, in one transaction: an
 * attempt begins by a transaction, too, so that it finds all of its checkpoints or none, and a
 * corpus gets its place in the one that names it (import.h). The pool removes what was set aside. A
 * transaction that is lost after the rename has lost no more than that; the next one finds nothing
 * to rename. What can't be set aside or removed is passed over, told of, and tried again.
 */
#ifndef ABLATE_SERVER_COLLECT_H
#define ABLATE_SERVER_COLLECT_H

#include "server/data/datadir.h"
#include "server/store/runs/store_purge.h"

struct collect {
    struct ended_run last; /* what checkpoints were looked at up to; zeros = begin again */
    size_t n;              /* runs whose checkpoints were set aside since */
    bool more;             /* there may be others */
    struct err trouble;    /* the first since then */
};

/* Writer: renames only. Errors: UNAVAILABLE (a backup is being made), STORAGE. */
int collect_corpora(struct store *store, const struct datadir *datadir, struct err *err);
/* Writer: the next part of the runs that ended before a time, renames only. Errors: the same, of
 * the store; a run that makes trouble is noted in c. */
int collect_checkpoints(struct collect *c, struct store *store, const struct datadir *datadir,
                        int64_t ended_before_ms, struct err *err);
/* Pool: removes what was set aside. *ret_left: what couldn't be; may be NULL. Errors: STORAGE. */
int collect_remove(const struct datadir *datadir, size_t *ret_left, struct err *err);

#endif
