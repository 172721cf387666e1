/* params: the one table of a model's tensors. It drives sizes, initial values, gradients, the
 * optimiser, checkpoints, artifacts and tests; names are those of schema/numerics.md §1.
 */
#ifndef ABLATE_WORKER_PARAMS_H
#define ABLATE_WORKER_PARAMS_H

#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/spec/optimizer.h"
#include "common/spec/spec.h"
#include "worker/base/arena.h"
#include "worker/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum param_init { PARAM_ONE, PARAM_ZERO, PARAM_EMBEDDING, PARAM_LINEAR, PARAM_RESIDUAL };
enum param_group { PARAM_MAIN, PARAM_INDEXER, PARAM_GROUPS };

struct tensor {
    char name[80];
    int64_t shape[2]; /* rows, cols; shape[1] = 0 for a vector of shape[0] elements */
    enum param_init init;
    enum param_group group; /* clipped and, when frozen, skipped as a group */
    bool decay;             /* AdamW decays it */
    bool frozen;            /* no gradient; the optimiser skips it */
    size_t offset, count;   /* its reals within each of the arrays below */
};

struct params {
    struct tensor *tensors; /* owned */
    size_t n;
    size_t count;                     /* reals in all tensors */
    real *value, *grad;               /* [count] each, in the arena */
    real *moments[OPTIMIZER_MOMENTS]; /* likewise, as many as the optimiser keeps */
    const struct optimizer_info *optimizer;
    struct spec_rest rest; /* steps in which all but the indexers' tensors are left alone */
    struct arena arena;
};

/* Builds the table for a model and draws the initial values, keyed by tensor name
 * (schema/numerics.md §3). */
int params_new(const struct run_spec *spec, struct params *ret, struct err *err);
void params_done(struct params *params);
/* The tensor's initial values into value[count]. */
void params_draw(const struct tensor *t, const struct run_spec *spec, real *value);
/* NULL when there is none of that name. */
const struct tensor *params_find(const struct params *params, const char *name);
/* Whether the tensor is updated in a step; and how many steps have updated it, that one included. */
bool params_updated(const struct params *params, const struct tensor *t, int64_t step);
int64_t params_updates(const struct params *params, const struct tensor *t, int64_t step);
/* SHA-256 over all tensors in table order: value, then each moment, as stored (little-endian). */
void params_digest(const struct params *params, char ret[DIGEST_HEX]);

#endif
