/* manifest: what a backup says of itself: SHA256SUMS and manifest.json (layout: backup.h). */
#ifndef ABLATE_SERVER_MANIFEST_H
#define ABLATE_SERVER_MANIFEST_H

#include "common/base/buf.h"
#include "server/store/store_copy.h"

#define BACKUP_FORMAT "ablate-backup-1"
#define BACKUP_SUMS   "SHA256SUMS"

/* Appends a line of SHA256SUMS. path: below the backup. */
void manifest_add(struct buf *sums, const char *path, const char *sha256);
struct manifest {
    struct store_summary store;
    int64_t files, bytes; /* that SHA256SUMS names, and what they have together */
    char *sums;           /* the text of SHA256SUMS; owned; read only by manifest_read */
};
/* Writes both files into the folder `backup`. manifest->sums plays no part. Errors: NO_MEMORY,
 * STORAGE, DISK_FULL. */
int manifest_write(const char *backup, const struct buf *sums, const struct manifest *manifest,
                   struct err *err);
/* Reads both, and checks one by the other. *ret is the caller's (manifest_done). Errors: NOT_FOUND
 * when the folder is no backup, BAD_DATA, STORAGE, NO_MEMORY. */
int manifest_read(const char *backup, struct manifest *ret, struct err *err);
void manifest_done(struct manifest *manifest);
/* The next line of sums, which is cut in place: *at starts as sums, and path and digest point into
 * it. 1 = there is one, 0 = the end. Errors: BAD_DATA. */
int manifest_next(char **at, const char **ret_path, const char **ret_sha256, struct err *err);

#endif
