/* metrics: what a run measures, a row a name. A run emits those that its specification has
 * something to measure by (worker/train/train.c), an experiment compares by one of them, and the
 * report tells differences of shares in points.
 */
#ifndef ABLATE_COMMON_METRICS_H
#define ABLATE_COMMON_METRICS_H

#include "common/spec/spec.h"

struct metric_info {
    const char *name;
    bool (*measured)(const struct run_spec *spec); /* NULL: by every run */
    const char *needs; /* what a run that measures it has; NULL: nothing */
    bool share;        /* a share of 1: 0.03 more are 3 points */
};
extern const struct metric_info metric_table[];
extern const size_t metric_table_n;
extern const char *const metric_names[]; /* those of the table, in its order; NULL at the end */

/* NULL when there is none of that name. */
const struct metric_info *metric_find(const char *name);
/* Whether a run measures it; false for a name that isn't known. */
bool metric_measured(const char *name, const struct run_spec *spec);
bool metric_is_share(const char *name);

#endif
