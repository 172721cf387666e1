/* files: reading a small file whole, and writing one whole or not at all. */
#ifndef ABLATE_COMMON_FILES_H
#define ABLATE_COMMON_FILES_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { FILES_SPARE = 2 << 20 };

/* Reads a file of at most max bytes; *ret is the caller's (free), NUL-terminated. Doesn't follow a
 * link. Errors: NOT_FOUND, STORAGE, TOO_LARGE, NO_MEMORY. */
int files_read(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err);
/* Opens a regular file below a folder for reading, and follows no link on the way; *ret is the
 * caller's. Errors: NOT_FOUND, STORAGE (also: there is a link, or it is no file). */
int files_open_below(const char *folder, const char *path, int *ret, struct err *err);
/* Temporary name, fsync, rename, fsync of the folder. Errors: STORAGE, DISK_FULL. */
int files_write(const char *path, const void *bytes, size_t len, unsigned mode, struct err *err);
/* fsyncs path's folder, so that a name that appeared in it stays. Errors: STORAGE. */
int files_sync_folder(const char *path, struct err *err);
/* mkdir -p, each with mode 0700. Errors: STORAGE, DISK_FULL. */
int files_make_folder(const char *path, struct err *err);
/* Whether path's disk has room for so many bytes and FILES_SPARE more: a large file that takes the
 * last of it would keep small ones, the store's among them, from being written. Errors: DISK_FULL.
 */
int files_need_room(const char *path, int64_t bytes, struct err *err);
/* rm -r, as far as it goes; follows no link. */
void files_remove_folder(const char *path);

#endif
