/* train: one attempt of a run, from the first batch to the last event. */
#ifndef ABLATE_WORKER_TRAIN_H
#define ABLATE_WORKER_TRAIN_H

#include "common/base/err.h"
#include "common/spec/spec.h"
#include "worker/process/emit.h"

#include <stdbool.h>

struct train_config {
    struct run_spec spec;
    const char *dataset; /* folder of the corpus */
    const char *out;     /* the run's folder: checkpoints/ and artifacts/ go there */
    int threads;
    int64_t until; /* end after this step, without a test if the spec has more (a verification of a
                      cancelled run); 0 = all of the spec's */
    bool audits;   /* this run makes the audits of its arm and grid point */
    bool replays;  /* and those of its arm, such as replay */
    const char *only; /* of all these the audit of this name alone; NULL = all */
    bool resume;      /* go on from the newest sound checkpoint, if there is one */
    struct emit *emit;
    /* Called when all threads have been made, before the corpus is read; NULL: nothing. */
    int (*settled)(struct err *err);
};

enum train_end { TRAIN_FINISHED, TRAIN_STOPPED };

/* Emits started … finished, or failed. Errors: those of the corpus and of storage, NO_MEMORY; the
 * failed event has been emitted then. */
int train_run(const struct train_config *config, enum train_end *ret, struct err *err);

#endif
