/* recorded: the values that a capsule has of a run, to be looked up by metric and step. */
#ifndef ABLATE_WORKER_RECORDED_H
#define ABLATE_WORKER_RECORDED_H

#include "worker/capsule/capsule.h"

struct recorded_value {
    int64_t step;
    double value;
    bool met; /* looked up once */
};
struct recorded_series {
    char *metric;                  /* owned */
    struct recorded_value *values; /* owned; by step */
    size_t n, size;
};
struct recorded {
    struct recorded_series *series;
    size_t n;
};

/* Errors: as capsule_metrics, NO_MEMORY. */
int recorded_read(const struct capsule *capsule, int64_t run, struct recorded *ret,
                  struct err *err);
void recorded_done(struct recorded *recorded);
/* Marks it as met. false: there is no such value. */
bool recorded_meet(struct recorded *recorded, const char *metric, int64_t step, double *ret);
/* The value of the least step that wasn't met, among the metrics that aren't exempt; NULL = none.
 */
const char *recorded_unmet(const struct recorded *recorded, int64_t *ret_step, double *ret_value);

#endif
