/* update: do the optimiser's steps follow from the specification? In double, from the gradient, the
 * moments and the parameters before it, by the formulas of schema/numerics.md §5 alone:
 *
 *   one step      of every tensor, all numbers or a spread of them, with norms, clipping, rate and
 *                 decay computed here; and its gradient against those of its micro-batches, each
 *                 taken by itself, in the proportions of the specification
 *   every step    of one number a tensor, another one each time: as many updates as steps
 *
 * What float32 may differ by is added up along the formulas (first order, then doubled).
 */
#ifndef ABLATE_WORKER_AUDIT_UPDATE_H
#define ABLATE_WORKER_AUDIT_UPDATE_H

#include "worker/model/model.h"
#include "worker/optim/optim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of the parameters, and what they and all that belongs to them were before an update. */
struct update_sample {
    size_t n;
    size_t *at, *tensor; /* places in the parameters' arrays; whose they are */
    real *value, *grad, *moments[OPTIMIZER_MOMENTS];
};

/* The number that is furthest off, in units of what float32 explains. */
struct update_worst {
    double off; /* > 1: wrong */
    size_t tensor;
    const char *what; /* "value", "moment" or "gradient" */
    double got, expected;
};

struct update {
    const struct run_spec *spec;
    struct params *params; /* borrowed, both */
    struct update_sample many, few;
    int64_t step;              /* that is recomputed as a whole; 0: not chosen yet */
    bool done;                 /* it was */
    struct update_worst worst; /* of it */
    struct update_worst parts; /* of its gradient, by tensor */
    size_t micro_batches;      /* that this is the sum of; 1: nothing to compare */
    double *sum;               /* [many.n] of their gradients, in proportion */
    double *size, *squares;    /* [tensors] the norms of these, added up; of one */
    bool finite;               /* no number was NaN or infinite */
    int64_t first, steps;      /* the steps of this attempt */
    int64_t updates;           /* those that changed parameters as specified */
    int64_t otherwise;         /* the first that didn't */
    struct update_worst how;   /* it didn't */
};

/* Errors: NO_MEMORY. */
int update_new(const struct run_spec *spec, struct params *params, struct update *ret,
               struct err *err);
void update_done(struct update *update);
/* In each step, in this order: before the gradient is made of `windows`, which may take passes of
 * the model; once it is made; after the update. */
void update_begin(struct update *update, struct model *model, const int32_t *windows, int64_t step);
void update_note(struct update *update, int64_t step);
void update_check(struct update *update, int64_t step, const struct optim_stats *stats);

#endif
