/* restore: a backup (backup.h) is checked, and becomes a data folder again. */
#ifndef ABLATE_SERVER_RESTORE_H
#define ABLATE_SERVER_RESTORE_H

#include "server/backup/backup.h"

/* Whether a backup is whole: every file by its digest, the database by its pages, indexes,
 * references and rows. Errors: NOT_FOUND, BAD_DATA with the file, STORAGE. */
int backup_check(const char *backup, struct backup_result *ret, struct err *err);
/* Checks a backup and makes the data folder `data` of it, which must not exist or be empty.
 * Errors: as backup_check, CONFLICT, DISK_FULL. */
int backup_restore(const char *backup, const char *data, struct backup_result *ret,
                   struct err *err);

#endif
