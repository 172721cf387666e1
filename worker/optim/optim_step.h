/* optim_step: what an optimiser is to the trainer: a function that updates a run of parameters. */
#ifndef ABLATE_WORKER_OPTIM_STEP_H
#define ABLATE_WORKER_OPTIM_STEP_H

#include "common/spec/optimizer.h"
#include "worker/base/real.h"

/* One step of one tensor. */
struct optim_step {
    const struct spec_train *train;
    int64_t step; /* from 1 */
    double lr;
    real keep;  /* p *= keep first: 1 − lr·weight_decay where it decays, else 1 */
    real scale; /* of the gradient: 1, less where it is clipped */
};

/* p [n] from grad [n]; moments: as many arrays [n] as the optimiser keeps. Every number is updated
 * by itself, so that the bits don't depend on how tensors are cut into runs. */
typedef void (*optim_update)(const struct optim_step *step, size_t n, real *restrict p,
                             const real *restrict grad, real *const *moments);

/* Pointers to the functions, a file each. */
#define DECLARE(id, name) extern const optim_update optim_##name;
OPTIMIZER_LIST(DECLARE)
#undef DECLARE

#endif
