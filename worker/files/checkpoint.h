/* checkpoint: parameters and moments of a step, as OUT/checkpoints/step-<n>.safetensors.
 *
 * A checkpoint carries where it comes from, the step, and the SHA-256 of its content, which is
 * recomputed when it is loaded: one that is damaged or belongs to another run is refused, and the
 * one before it is used. One of this run on another corpus can neither be used nor passed over:
 * loading fails. The last CHECKPOINT_KEPT are kept.
 */
#ifndef ABLATE_WORKER_CHECKPOINT_H
#define ABLATE_WORKER_CHECKPOINT_H

#include "common/base/digest.h"
#include "common/base/err.h"
#include "worker/base/params.h"
#include "worker/files/safetensors.h"

#include <stdbool.h>
#include <stdint.h>

enum { CHECKPOINT_KEPT = 2 };

/* Where a checkpoint comes from; all borrowed. */
struct checkpoint_origin {
    const char *run_digest;
    const char *environment_digest, *blas_core;
    /* The corpus' content digest where the specification names it otherwise; "": it names the
     * content, or there is no corpus. */
    const char *corpus;
};

struct checkpoint_found {
    int64_t step;       /* 0 = there is none */
    bool elsewhere;     /* it was made in another environment (environment.h) … */
    char blas_core[40]; /* … with this core; "" = it doesn't say */
};

struct checkpoint {
    int64_t step;
    char file[64];            /* within OUT */
    char content[DIGEST_HEX]; /* SHA-256 of parameters and moments */
    struct safetensors_info info;
};

/* Writes the checkpoint of `step` and removes those beyond the last two. Errors: STORAGE,
 * DISK_FULL. */
int checkpoint_save(const char *out, const struct params *params, int64_t step,
                    const struct checkpoint_origin *origin, struct checkpoint *ret,
                    struct err *err);
/* Removes the checkpoint of `step`, if it is there. */
void checkpoint_remove(const char *out, int64_t step);
/* Loads the newest sound one; params are untouched if there is none. refused(arg, file, why) is
 * told of each that had to be passed over. Errors: STORAGE and BAD_DATA, after which the params are
 * unspecified (a file that was sound changed meanwhile); INCONSISTENT (another corpus). */
int checkpoint_load(const char *out, struct params *params, const struct checkpoint_origin *origin,
                    void (*refused)(void *arg, const char *file, const struct err *why), void *arg,
                    struct checkpoint_found *ret, struct err *err);

#endif
