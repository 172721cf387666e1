/* manifest: what a backup says of itself: SHA256SUMS and manifest.json (backup.h). */
#ifndef ABLATE_SERVER_MANIFEST_H
#define ABLATE_SERVER_MANIFEST_H

#include "common/base/buf.h"
#include "server/backup/backup.h"

#define BACKUP_FORMAT "ablate-backup-1"
#define BACKUP_SUMS   "SHA256SUMS"

/* A line of SHA256SUMS. */
void manifest_add(struct buf *sums, const char *path, const char *sha256);
/* Writes both files. Errors: NO_MEMORY, STORAGE, DISK_FULL. */
int manifest_write(const char *backup, const struct buf *sums, const struct backup_result *result,
                   struct err *err);

struct manifest {
    struct store_summary store;
    int64_t files, bytes;
    char *sums; /* the text of SHA256SUMS; owned */
};
/* Errors: NOT_FOUND when it is no backup, BAD_DATA, STORAGE. */
int manifest_read(const char *backup, struct manifest *ret, struct err *err);
void manifest_done(struct manifest *manifest);
/* The next line: *at begins with sums. 1 = there is one, 0 = the end. Errors: BAD_DATA. */
int manifest_next(char **at, const char **ret_path, const char **ret_sha256, struct err *err);

#endif
