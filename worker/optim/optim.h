/* optim: one update of the parameters from their gradients (schema/numerics.md §5). */
#ifndef ABLATE_WORKER_OPTIM_H
#define ABLATE_WORKER_OPTIM_H

#include "common/spec/spec.h"
#include "worker/base/params.h"
#include "worker/base/pool.h"

#include <stdint.h>

struct optim_stats {
    double lr;        /* of this step */
    double grad_norm; /* L2 over all trained tensors, before clipping; in double, fixed order */
    double norms[PARAM_GROUPS]; /* of each group */
};
/* The learning rate of step s = 1 … steps. */
double optim_lr(const struct spec_train *train, int64_t step);
void optim_step(const struct spec_train *train, struct params *params, int64_t step,
                struct pool *pool, struct optim_stats *ret);

#endif
