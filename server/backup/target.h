/* target: a folder that appears under its name whole or not at all.
 *
 * Until then it is NAME.partial-XXXXXX, beside it, and the process that fills it holds its flock. A
 * partial folder whose flock nobody holds was left by a process that died: the next call removes
 * it. One of another target is removed only if it holds our mark, the file `.partial`.
 */
#ifndef ABLATE_SERVER_TARGET_H
#define ABLATE_SERVER_TARGET_H

#include "common/base/err.h"

#include <limits.h>
#include <stdint.h>

struct target {
    char name[PATH_MAX - 32]; /* as it will be called */
    char dir[PATH_MAX];       /* as it is called until then; "" = there is none */
    int lock;                 /* the folder, open and locked */
};
/* Sweeps, and makes an empty folder beside `name`, mode 0700. Errors: CONFLICT (`name` exists and
 * isn't an empty folder), USAGE (too long), STORAGE, DISK_FULL. */
int target_begin(const char *name, struct target *ret, struct err *err);
/* Everything in it is on the disk then. Errors: STORAGE, DISK_FULL. */
int target_sync(const struct target *target, struct err *err);
/* Gives it its name. Errors: STORAGE. */
int target_end(struct target *target, struct err *err);
/* Removes what was not ended. */
void target_done(struct target *target);
/* Removes what others, who have died, have left beside `name`. */
void target_sweep(const char *name);

/* Copies an open file, which it closes, to `path` below a folder, with the folders above it, mode
 * 0600, and digests it. Errors: CONFLICT (it is there already), STORAGE, DISK_FULL. */
int target_copy(int take_in, const char *to, const char *path, char ret_sha256[65],
                int64_t *ret_bytes, struct err *err);

#endif
