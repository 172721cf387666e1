/* bootstrap: an interval for the mean difference that doesn't take differences to be symmetric, to
 * be held against the one by sign flips (stats.h).
 */
#ifndef ABLATE_SERVER_BOOTSTRAP_H
#define ABLATE_SERVER_BOOTSTRAP_H

#include "server/verdict/statistics/stats.h"

enum { BOOTSTRAP_SAMPLES = 1999 };

/* The 95 % interval by bootstrap-t (Efron & Tibshirani 1993, ch. 12) of differences d[n], finite,
 * n ≥ 2. Draws are keyed: the same data gives the same interval. An end is infinite where resamples
 * without variance decide it. Errors: NO_MEMORY. */
int bootstrap_t(const double *d, size_t n, struct stats_interval *ret, struct err *err);

#endif
