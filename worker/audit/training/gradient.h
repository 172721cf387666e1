/* gradient: is the gradient that the trainer follows the slope of its loss?
 *
 * The loss of one step, at the run's own shape, kernels, masks, noise and micro-batches, is
 * measured on either side of the point, and the difference held against what the gradient says of
 * the same displacement (schema/numerics.md §7). All tensors of a group are displaced at once, each
 * so far that the loss should change by the same amount, up or down by lot: a gradient that is
 * wrong in one of them shows as that share of its amount. What was chosen at the point (keys,
 * experts) stays chosen, so that the loss is smooth there; the KL's teacher can't change, since the
 * indexer's tensors are displaced alone.
 *
 * The displacement follows the gradient itself, with every second element left out by lot, plus a
 * part that is chance alone, for what a gradient lacks. It is taken as it is in float32, so that
 * rounding the weights costs no accuracy.
 */
#ifndef ABLATE_WORKER_AUDIT_GRADIENT_H
#define ABLATE_WORKER_AUDIT_GRADIENT_H

#include "common/base/err.h"
#include "worker/model/model.h"

#include <stdbool.h>

enum { GRADIENT_DIRECTIONS = 4 };
enum gradient_group {
    GRADIENT_OUTER, /* embedding, output layer and norm */
    GRADIENT_ATTENTION,
    GRADIENT_EXPERTS,
    GRADIENT_INDEXER, /* on the KL alone; the others on the loss without it */
    GRADIENT_GROUPS
};
extern const char *const gradient_groups[GRADIENT_GROUPS];
/* A gradient that is wrong by this share in one tensor is to be found. */
#define GRADIENT_SHARE 0.01

/* Of one group. */
struct gradient_found {
    size_t parts;       /* tensors, q, k and v apart */
    size_t blind;       /* of them, those whose gradient is too small for the share to show */
    double bound;       /* in nats: what rounding may make of the difference of two losses */
    double worst;       /* greatest difference between loss and gradient of a direction, in nats */
    double wanted, got; /* in that direction: by the gradient, of the loss */
    double share;       /* an error of this share shows in every part that isn't blind */
};

struct gradient {
    struct gradient_found groups[GRADIENT_GROUPS];
    size_t wrong; /* directions that go beyond their bound as an error does */
    bool finite;  /* all that was compared */
    bool stopped; /* before it was done: nothing else is known */
};

/* Holds params->grad against the loss of step `step` on windows[B × (T+1)], from which it came.
 * Leaves the parameters as they were. stopped: may be NULL. Errors: NO_MEMORY. */
int gradient_measure(struct model *model, const struct run_spec *spec, const int32_t *windows,
                     int64_t step, bool (*stopped)(void *arg), void *arg, struct gradient *ret,
                     struct err *err);

#endif
