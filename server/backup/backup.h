/* backup: a copy of the data folder that can be restored whole, made while a daemon serves it or
 * not.
 *
 *   BACKUP/ablate.db           the store at one moment (store_copy.h)
 *   BACKUP/datasets/… runs/…   what belongs to it: corpora, specs, artifacts, checkpoints, the
 *                              events and logs of attempts
 *   BACKUP/SHA256SUMS          a line a file: `sha256sum -c SHA256SUMS` checks them without Ablate
 *   BACKUP/manifest.json       the digest of SHA256SUMS, version, time, schema, rows by table
 *
 * Order. The database comes first, files after it, and only those that this database knows: what
 * grows meanwhile is then more than it knows (lines of a run that trains), never less. A run that
 * was running goes on, in the restored folder, from its last checkpoint, as after any death.
 * Secrets are left out: a restored folder gets a token of its own. Left out is runs/ID/owner.json,
 * too: a restored database has an identity of its own (store_identity.h), and knows the folders
 * that came with it by their specifications (runs/owner.h). While a backup is made it holds the
 * folder's `hold` lock shared, so that nothing is purged.
 *
 * Whole or not at all: both work in a folder beside the target (TARGET.partial-XXXXXX), check what
 * they have written by reading it, sync it, and give it its name last.
 */
#ifndef ABLATE_SERVER_BACKUP_H
#define ABLATE_SERVER_BACKUP_H

#include "server/store/store_copy.h"

struct backup_result {
    struct store_summary store;
    int64_t files, bytes;
    int64_t missing, differing; /* files that aren't there, or aren't what the store recorded */
    char first[256];            /* of those */
};

/* Makes the backup `to`, which must not exist or be an empty folder, of the data folder `data`.
 * Errors: NOT_FOUND, CONFLICT (`to` holds something), BAD_DATA, STORAGE, DISK_FULL. */
int backup_make(const char *data, const char *to, struct backup_result *ret, struct err *err);

#endif
