/* evaluation: does what evaluation reports follow from the model and the windows of the
 * specification? Four questions, of the last validation:
 *
 *   its windows   each that was handed in is held against the tokens at the place where the
 *                 specification has it, found here once more
 *   its sum       the loss that was told against those of the windows
 *   its kernels   the states of a pass of evaluation against those of a training pass without
 *                 dropout and noise, bit for bit
 *   its formulas  one window's loss against reference.h, in double
 */
#ifndef ABLATE_WORKER_AUDIT_EVALUATION_H
#define ABLATE_WORKER_AUDIT_EVALUATION_H

#include "worker/data/data.h"
#include "worker/model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an evaluation was handed and found. */
struct evaluation {
    const struct data *data; /* borrowed */
    size_t batch, width;     /* B, T + 1 */
    size_t windows;          /* that the specification names */
    size_t pick;             /* the one of them that is computed once more */
    double *by_window;       /* [B] of the batch at hand, for model_watch */
    int32_t *expected;       /* [T + 1] scratch */
    size_t handed;           /* windows that were handed in */
    size_t misplaced;        /* of them, not those of the specification */
    size_t first_misplaced;
    double nll, told; /* summed over windows; the loss that was told */
    int64_t targets;
    int32_t *kept;    /* [B × (T+1)] the batch of the picked window */
    size_t rows, row; /* of that batch; the picked one among them */
    double picked;    /* its loss, summed over its targets */
};

/* Errors: NO_MEMORY. */
int evaluation_new(const struct data *data, struct evaluation *ret, struct err *err);
void evaluation_done(struct evaluation *evaluation);
void evaluation_begin(struct evaluation *evaluation);
/* Windows from number i on, with what model_evaluate found; by_window says it of each. */
void evaluation_note(struct evaluation *evaluation, size_t i, const int32_t *windows, size_t rows,
                     const struct model_eval *found);

/* How the states of the two passes differ, of windows[n × (T+1)], at most a micro-batch, after
 * `step` steps. */
struct evaluation_states {
    size_t differing;        /* positions */
    size_t window, position; /* of the first */
    bool finite;
};
/* Errors: NO_MEMORY. */
int evaluation_states(struct model *model, const struct run_spec *spec, const int32_t *windows,
                      size_t n, int64_t step, struct evaluation_states *ret, struct err *err);

/* The picked window's loss, summed over its targets: in another pass of evaluation, and in double
 * (reference.h); and by how much these two may differ. */
struct evaluation_formulas {
    double again, exact, bound;
};
/* After an evaluation of all windows, `step` steps done. Errors: NO_MEMORY. */
int evaluation_formulas(const struct evaluation *evaluation, struct model *model,
                        const struct run_spec *spec, int64_t step, struct evaluation_formulas *ret,
                        struct err *err);

#endif
