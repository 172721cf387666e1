/* intervals: the 95 % intervals that were considered for a report, side by side. */
#ifndef ABLATE_TESTS_INTERVALS_H
#define ABLATE_TESTS_INTERVALS_H

#include "server/verdict/statistics/stats.h"

enum interval { INTERVAL_FLIPS, INTERVAL_BOOTSTRAP_T, INTERVAL_BCA, INTERVAL_STUDENT, INTERVALS };
extern const char *const interval_names[];

void interval_of(enum interval method, const double *d, size_t n, struct stats_interval *ret);

#endif
