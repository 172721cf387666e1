/* store_curves: one metric of every run of an experiment. */
#ifndef ABLATE_SERVER_STORE_CURVES_H
#define ABLATE_SERVER_STORE_CURVES_H

#include "server/store/store.h"

/* One metric over all runs of an experiment, by run, then step; of a series with more than `points`
 * rows, every so many-th (a round number) and the last. *ret is the caller's (free). */
struct curve_point {
    int64_t run, step;
    double value;
};
int store_curves(struct store *, int64_t experiment, const char *metric, int64_t points,
                 struct curve_point **ret, size_t *ret_n, struct err *);

#endif
