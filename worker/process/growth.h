/* growth: how much folders have grown, in files and bytes, against a bound.
 *
 * Landlock says where a trainer may write and RLIMIT_FSIZE how large a file may be; nothing in the
 * kernel bounds how many an ordinary process makes below a folder. So the keeper looks, and ends a
 * trainer that makes too many. Between two looks there may be more than the bound allows.
 *
 * A folder that its owner can't read may hide any number of files. A trainer can make one; so can
 * whoever takes its mode away for a while. Neither is to be told from the other, so that nothing is
 * known, and nothing may be made meanwhile: the keeper holds the trainer.
 */
#ifndef ABLATE_WORKER_GROWTH_H
#define ABLATE_WORKER_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

enum { GROWTH_FOLDERS = 2, GROWTH_FILES = 1000 };

struct growth {
    const char *folders[GROWTH_FOLDERS]; /* borrowed; one may stand in another */
    bool begun;                          /* what there was at the beginning is known: */
    int64_t files, bytes;
    int64_t more_files, more_bytes; /* that may come; bytes: 0 = any */
};

enum growth_state {
    GROWTH_WITHIN,
    GROWTH_HIDDEN,   /* a folder can't be read */
    GROWTH_EXCEEDED, /* more has come than may, or lies too deep to be counted */
};
/* Notes how much there is now, unless something is hidden: then the first look does that sees all.
 */
void growth_begin(struct growth *growth);
/* Looks no further than it has to. */
enum growth_state growth_look(struct growth *growth);

#endif
