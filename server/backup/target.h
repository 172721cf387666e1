/* target: a folder that appears under its name whole or not at all. */
#ifndef ABLATE_SERVER_TARGET_H
#define ABLATE_SERVER_TARGET_H

#include "common/err.h"

#include <limits.h>
#include <stdint.h>

struct target {
    char name[PATH_MAX - 32]; /* as it will be called */
    char dir[PATH_MAX];       /* as it is called until then; "" = there is none */
};
/* Makes an empty folder beside `name`, mode 0700. Errors: CONFLICT (`name` exists and isn't an
 * empty folder), USAGE (too long), STORAGE, DISK_FULL. */
int target_begin(const char *name, struct target *ret, struct err *err);
/* Everything in it is on the disk then. Errors: STORAGE, DISK_FULL. */
int target_sync(const struct target *target, struct err *err);
/* Gives it its name. Errors: STORAGE. */
int target_end(struct target *target, struct err *err);
/* Removes what was not ended. */
void target_done(struct target *target);

/* Copies a file below one folder to the same place below another, with the folders above it, mode
 * 0600, and digests it. Errors: NOT_FOUND, CONFLICT (it is there already), STORAGE, DISK_FULL. */
int target_copy(const char *from, const char *to, const char *path, char ret_sha256[65],
                int64_t *ret_bytes, struct err *err);

#endif
