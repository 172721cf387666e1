/* replay: from a checkpoint in the middle, do the next steps give the same bits again? */
#ifndef ABLATE_WORKER_AUDIT_REPLAY_H
#define ABLATE_WORKER_AUDIT_REPLAY_H

#include "common/base/digest.h"
#include "common/base/err.h"
#include "worker/data/data.h"
#include "worker/files/checkpoint.h"
#include "worker/model/model.h"

#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_STEPS = 10 };

struct replay {
    int64_t from,
        to;     /* checkpoint's step; the last step that is trained again; 0 = too few steps */
    bool saved; /* the checkpoint is there, and every step since was noted */
    double losses[REPLAY_STEPS];
    char digest[DIGEST_HEX]; /* of parameters and moments after `to` */
    /* the outcome */
    int64_t differs;   /* first step whose loss differed; 0 = none */
    bool other_digest; /* after `to` */
};

/* folder: exists; keeps the checkpoint in folder/checkpoints. */
void replay_plan(struct replay *replay, int64_t steps);
/* After step `step` of training. Errors: STORAGE, DISK_FULL; then there is no replay. */
int replay_note(struct replay *replay, const char *folder, struct params *params,
                const struct checkpoint_origin *origin, int64_t step, double loss, struct err *err);
/* Loads the checkpoint into the model and trains again, so that the model is that of step `to`
 * afterwards. windows: scratch [B × (T+1)]. Errors: BAD_DATA when the checkpoint was refused. */
int replay_check(struct replay *replay, const char *folder, struct model *model, struct data *data,
                 const struct run_spec *spec, const struct checkpoint_origin *origin,
                 int32_t *windows, struct err *err);

#endif
