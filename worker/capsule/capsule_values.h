/* capsule_values: the values that a capsule has of a run, to be looked up by metric and step. */
#ifndef ABLATE_WORKER_CAPSULE_VALUES_H
#define ABLATE_WORKER_CAPSULE_VALUES_H

#include "worker/capsule/capsule_reader.h"

struct capsule_point {
    int64_t step;
    double value;
    bool met; /* looked up once */
};
struct capsule_series {
    char *metric;                 /* owned */
    struct capsule_point *values; /* owned; by step */
    size_t n, size;
};
struct capsule_values {
    struct capsule_series *series;
    size_t n;
};

/* Errors: as capsule_metrics, NO_MEMORY. */
int capsule_values_read(const struct capsule *capsule, int64_t run, struct capsule_values *ret,
                        struct err *err);
void capsule_values_done(struct capsule_values *values);
/* Marks it as met. false: there is no such value. */
bool capsule_values_meet(struct capsule_values *values, const char *metric, int64_t step,
                         double *ret);
/* The value of the least step that wasn't met, among the metrics that aren't exempt; NULL = none.
 */
const char *capsule_values_unmet(const struct capsule_values *values, int64_t *ret_step,
                                 double *ret_value);

#endif
