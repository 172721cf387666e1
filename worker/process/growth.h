/* growth: how much folders have grown, in files and bytes, against a bound.
 *
 * Landlock says where a trainer may write and RLIMIT_FSIZE how large a file may be; nothing in the
 * kernel bounds how many an ordinary process makes below a folder. So the keeper looks, and ends a
 * trainer that makes too many. Between two looks there may be more than the bound allows.
 */
#ifndef ABLATE_WORKER_GROWTH_H
#define ABLATE_WORKER_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

enum { GROWTH_FOLDERS = 2, GROWTH_FILES = 1000 };

struct growth {
    const char *folders[GROWTH_FOLDERS]; /* borrowed; one may stand in another */
    int64_t files, bytes;                /* at the beginning */
    int64_t more_files, more_bytes;      /* that may come; bytes: 0 = any */
};

/* Notes how much there is now. */
void growth_begin(struct growth *growth);
/* Whether more has come than may. Looks no further than it has to. */
bool growth_exceeded(const struct growth *growth);

#endif
