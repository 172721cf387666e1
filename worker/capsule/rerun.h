/* rerun: a run of a capsule, trained anew and compared with what the capsule has of it.
 *
 * The trainer is the same as always; its events come here instead of going to a file. Compared bit
 * by bit are every metric but those of the clock, checkpoints, artifacts (tensors), initial weights
 * and the tokens consumed and evaluated on (common/audit/recompute.h has the rule that the daemon
 * follows, too). It ends at the first difference: what follows one differs as well.
 *
 * A run that hasn't succeeded is trained as far as it has come. A checkpoint that isn't stored is
 * no difference: a kill may cost the line that tells of it.
 */
#ifndef ABLATE_WORKER_RERUN_H
#define ABLATE_WORKER_RERUN_H

#include "worker/capsule/capsule_reader.h"
#include "worker/train/train.h"

struct rerun;

/* dataset: the corpus' folder, NULL for a synthetic task. out: where checkpoints go, created; NULL
 * = a temporary folder, removed at the end. Errors: NOT_FOUND (no such run), CONFLICT (nothing is
 * stored of it), USAGE (a corpus is needed), UNKNOWN_DATASET (it is another one), BAD_DATA,
 * STORAGE, NO_MEMORY. */
int rerun_new(const struct capsule *capsule, int64_t run, const char *dataset, const char *out,
              int threads, struct rerun **ret, struct err *err);
void rerun_free(struct rerun *rerun);
/* What to train and where its events go. */
struct train_config *rerun_train(struct rerun *rerun);
const struct emit_config *rerun_emit(const struct rerun *rerun);
/* Prints what is about to be compared, and whether it ran elsewhere. */
void rerun_announce(const struct rerun *rerun);
/* status: train_run's. Prints what was the same. Errors: BAD_DATA, which names the first
 * difference; UNAVAILABLE (it was told to stop); status. */
int rerun_conclude(struct rerun *rerun, int status, struct err *err);

#endif
