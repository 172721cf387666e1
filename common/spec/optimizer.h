/* optimizer: the optimisers, a row each: what both programs need to know of one. How it updates is
 * a row of worker/optim/optim.c; both tables are made from OPTIMIZER_LIST (spec.h), so that an
 * optimiser without one of its rows doesn't build.
 */
#ifndef ABLATE_COMMON_OPTIMIZER_H
#define ABLATE_COMMON_OPTIMIZER_H

#include "common/spec/spec.h"

enum { OPTIMIZER_MOMENTS = 2 }; /* of any, at most */

struct optimizer_info {
    const char *name;
    bool decays;   /* takes train.weight_decay, decoupled from the gradient */
    bool momentum; /* takes train.momentum */
    int moments;   /* what it keeps from step to step: arrays as large as the parameters */
    struct {
        const char *name, *part; /* in words; what precedes a tensor's name in a checkpoint */
    } moment[OPTIMIZER_MOMENTS];
};

extern const struct optimizer_info *const optimizer_table[OPTIMIZERS];
extern const char *const optimizer_names[OPTIMIZERS + 1]; /* NULL at the end */

const struct optimizer_info *optimizer_info_of(const struct spec_train *train);

#endif
