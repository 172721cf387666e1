/* finite: the audit of that name. Every metric that a run says and the parameters of every
 * checkpoint are looked at; the first NaN or infinity fails the audit, once an attempt, and doesn't
 * end the run.
 */
#ifndef ABLATE_WORKER_FINITE_H
#define ABLATE_WORKER_FINITE_H

#include "worker/base/params.h"
#include "worker/process/emit.h"

struct finite {
    struct emit *emit;        /* borrowed */
    bool failed;              /* and said so */
    int64_t looks, looked_at; /* at the parameters: how often, and the last time after which step */
};

void finite_metric(struct finite *finite, const char *metric, int64_t step, double value);
/* The parameters and the optimiser's moments, as they are after a step; looked at once a step. */
void finite_parameters(struct finite *finite, const struct params *params, int64_t step);
/* Passes what didn't fail: an attempt that began after step `from` and has done step `to`. */
void finite_end(const struct finite *finite, int64_t from, int64_t to);

#endif
