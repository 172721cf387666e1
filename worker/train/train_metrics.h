/* train_metrics: where each metric of the table (common/spec/metrics.h) comes from: the figures of a
 * step, and those of an evaluation. */
#ifndef ABLATE_WORKER_TRAIN_METRICS_H
#define ABLATE_WORKER_TRAIN_METRICS_H

#include "common/corpus/corpus.h"
#include "common/spec/metrics.h"
#include "common/spec/spec.h"
#include "worker/model/model.h"
#include "worker/optim/optim.h"
#include "worker/process/emit.h"

#include <stdbool.h>
#include <stddef.h>

struct step_figures {
    struct model_stats model;
    struct optim_stats optim;
    double seconds, tokens;
};

/* What an evaluation found; recall of its first batch, where the model leaves keys out. */
struct eval_figures {
    double loss, accuracy, recall;
    bool leaves_out;
};

/* The names of a step's metrics that runs of the specification measure; how many. */
size_t step_metrics_named(const struct run_spec *spec, const char *ret[EMIT_METRICS_NAMES]);
/* Their values, in that order. */
void step_metrics(const struct run_spec *spec, const struct step_figures *f,
                  double ret[EMIT_METRICS_NAMES]);
/* Names and values of an evaluation of a part; how many. */
size_t eval_metrics(enum corpus_part part, const struct eval_figures *f,
                    const char *ret_names[METRICS], double ret_values[METRICS]);

#endif
