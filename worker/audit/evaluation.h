/* evaluation: does what evaluation reports follow from the model and the windows of the
 * specification? Four questions, of the last validation, the first of the test as well:
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

/* The windows that an evaluation was handed. */
struct evaluation_windows {
    size_t named;     /* that the specification names */
    size_t handed;    /* that were handed in */
    size_t misplaced; /* of them, other ones than it names */
    size_t first;     /* of those */
};

/* What evaluations were handed and found. */
struct evaluation {
    const struct data *data; /* borrowed */
    size_t batch, width;     /* B, T + 1 */
    size_t pick;             /* the window of val that is computed once more */
    struct evaluation_windows windows[CORPUS_PARTS]; /* val's and test's */
    double *by_window;                               /* [B] of the batch at hand, for model_watch */
    int32_t *expected;                               /* [T + 1] scratch */
    /* Of the last validation: */
    double nll, told; /* summed over windows; the loss that was told */
    int64_t targets;
    int32_t *kept;    /* [B × (T+1)] the batch of the picked window */
    size_t rows, row; /* of that batch; the picked one among them */
    double picked;    /* its loss, summed over its targets */
};

/* Errors: NO_MEMORY. */
int evaluation_new(const struct data *data, struct evaluation *ret, struct err *err);
void evaluation_done(struct evaluation *evaluation);
/* A part is handed to an evaluation anew; windows of it, from number i on. */
void evaluation_begin(struct evaluation *evaluation, enum corpus_part part);
void evaluation_hand(struct evaluation *evaluation, enum corpus_part part, size_t i,
                     const int32_t *windows, size_t n);
/* What model_evaluate found of such windows of val; by_window says it of each. */
void evaluation_note(struct evaluation *evaluation, size_t i, const int32_t *windows, size_t n,
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
