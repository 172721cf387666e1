/* checkpoint: parameters and moments of a step, as OUT/checkpoints/step-<n>.safetensors.
 *
 * A checkpoint carries the run's digest, the environment's, the step, and the SHA-256 of its
 * content, which is recomputed when it is loaded: one that is damaged or belongs to another run is
 * refused, and the one before it is used. The last CHECKPOINT_KEPT are kept.
 */
#ifndef ABLATE_WORKER_CHECKPOINT_H
#define ABLATE_WORKER_CHECKPOINT_H

#include "common/digest.h"
#include "common/err.h"
#include "worker/params.h"
#include "worker/safetensors.h"

#include <stdint.h>

enum { CHECKPOINT_KEPT = 2 };

struct checkpoint {
    int64_t step;
    char file[64];            /* within OUT */
    char content[DIGEST_HEX]; /* SHA-256 of parameters and moments */
    struct safetensors_info info;
};

/* Writes the checkpoint of `step` and removes those beyond the last two. Errors: STORAGE,
 * DISK_FULL. */
int checkpoint_save(const char *out, const struct params *params, int64_t step,
                    const char *run_digest, const char *environment_digest, struct checkpoint *ret,
                    struct err *err);
/* Removes the checkpoint of `step`, if it is there. */
void checkpoint_remove(const char *out, int64_t step);
/* Loads the newest sound one: *ret_step = its step, 0 if there is none (params are untouched then).
 * refused(arg, file, why) is told of each that had to be passed over. Errors: STORAGE. */
int checkpoint_load(const char *out, struct params *params, const char *run_digest,
                    void (*refused)(void *arg, const char *file, const struct err *why), void *arg,
                    int64_t *ret_step, struct err *err);

#endif
