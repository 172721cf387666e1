/* reference: the model of schema/numerics.md §1 written out plainly in double, for one window in
 * evaluation. It takes the run's parameters and what the run chose (which keys, which experts), and
 * shares nothing else with the trainer's kernels.
 *
 * What float32 may differ by is found by computing it a second time, shaken: each number that the
 * trainer stores is moved, by a keyed sign, by what rounding may do to it: u = 2^-24 of its
 * magnitude for each operation on a number, and for a product Σ a·b u·‖a‖·‖b‖. To first order that
 * adds up, through all that follows, as roundings do.
 */
#ifndef ABLATE_WORKER_AUDIT_REFERENCE_H
#define ABLATE_WORKER_AUDIT_REFERENCE_H

#include "worker/base/params.h"
#include "worker/base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All borrowed. */
struct reference {
    const struct run_spec *spec;
    const struct params *params;
    struct pool *pool;
    /* What the query at place t saw in a layer: places into ret [T], as many as are returned. */
    size_t (*keys)(void *arg, int64_t layer, size_t t, int32_t *ret);
    /* The experts that the token at place t visited, in the order of their weights. */
    const int32_t *(*experts)(void *arg, int64_t layer, size_t t);
    void *arg;
};
/* nll [T]: −ln p of each target of window [T + 1], 0 where it isn't scored. Errors: NO_MEMORY. */
int reference_nll(const struct reference *reference, const int32_t *window, bool shaken,
                  double *nll, struct err *err);

#endif
