/* audit: what a trainer finds out about its own arm: is this comparison worth anything
 * (schema/numerics.md §7)?
 *
 * The run that is audited makes its audits itself, with its own model, kernels and data: at the
 * start those that need no training, at the end the others. Each becomes an `audit` event, with
 * evidence. No audit changes what is trained, draws random numbers of training, or ends a run: one
 * that can't be made is `skipped`, with the reason.
 *
 * What an audit measures is a file of its own (causality.h …), which knows nothing of events and
 * runs, so that a test can hand it something that is wrong on purpose; judge.h says what the
 * figures mean.
 */
#ifndef ABLATE_WORKER_AUDIT_H
#define ABLATE_WORKER_AUDIT_H

#include "worker/data/data.h"
#include "worker/files/checkpoint.h"
#include "worker/model/model.h"
#include "worker/optim/optim.h"
#include "worker/process/emit.h"

struct audits;

/* All borrowed, and outliving the audits. */
struct audit_context {
    const struct run_spec *spec;
    struct model *model;
    struct data *data;
    struct emit *emit;
    const char *out;                        /* the run's folder: audit/ goes there */
    const struct checkpoint_origin *origin; /* of this run's checkpoints */
    bool replays;                           /* makes the audits of its arm, too: replay, update */
    const char *only;                       /* the name of the one to make; NULL = all */
};

/* Errors: NO_MEMORY. */
int audits_new(const struct audit_context *context, struct audits **ret, struct err *err);
void audits_free(struct audits *audits);

/* What is scored without a model, as the `started` event tells it: {unigram, bigram} in nats, null
 * where there is no such figure. New reference; NULL when memory ran out. */
json_t *audits_guess(const struct audits *audits);
/* Before the first step: split_overlap, dense_equivalence, entropy_floor, causality, and of a run
 * with a dense warm-up detached and gradient. */
void audits_begin(struct audits *audits);
/* In each step: once its batch is known, which may take passes of the model; before the update; and
 * after it. */
void audits_batch(struct audits *audits, int64_t step, const int32_t *windows);
void audits_gradient(struct audits *audits, int64_t step);
void audits_updated(struct audits *audits, int64_t step, const struct optim_stats *stats);
/* After each step: in the middle a checkpoint is put aside, and the steps that follow it are noted.
 */
void audits_step(struct audits *audits, int64_t step, double loss);
/* Around the last validation: what it is handed and finds is noted. */
void audits_watch(struct audits *audits, bool on);
/* Heard of the test, and of val while watching, else passed over: model_evaluate found this of n
 * windows from number i on; and this is the loss that is told in the end. */
void audits_evaluated(struct audits *audits, enum corpus_part part, size_t i,
                      const int32_t *windows, size_t n, const struct model_eval *found);
void audits_told(struct audits *audits, double loss);
/* After the last step, once the final weights are saved, since replay trains again: causality,
 * detached, gradient, evaluation, indexer_learns, update, replay. */
void audits_end(struct audits *audits);

#endif
