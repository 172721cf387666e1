/* batch_pass: one walk of a batch, or of a part of it (a micro-batch), through the model, forward
 * or back: what all parts of the model must know of it. Random numbers are keyed by a sequence's
 * place in the whole batch and gradients are those of the whole batch's loss, so that how the batch
 * is cut shows in rounding alone.
 */
#ifndef ABLATE_WORKER_BATCH_PASS_H
#define ABLATE_WORKER_BATCH_PASS_H

#include "common/spec/spec.h"
#include "worker/base/pool.h"

#include <stddef.h>
#include <stdint.h>

struct batch_pass {
    const struct run_spec *spec;
    struct pool *pool;
    size_t first;  /* the place of its first sequence in the batch */
    size_t batch;  /* sequences in this pass, at most a micro-batch */
    size_t tokens; /* B·T of the whole batch, which gradients are the mean over; 0 = none is made */
    uint64_t step;      /* keys dropout and noise; 0 = evaluation: neither */
    bool lots_of_eval;  /* an audit's training pass: choices by lot are keyed as in evaluation */
    int64_t done;       /* training steps begun: decides about each layer's dense warm-up */
    bool row_invariant; /* gathered rows by dots: a token's bits don't depend on the others */
    bool held;          /* the keys and experts that the pass before chose stay chosen */
    bool without_kl;    /* as if every kl_weight were 0 */
};

#endif
