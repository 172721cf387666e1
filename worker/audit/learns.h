/* learns: does the indexer find what dense attention would look at? */
#ifndef ABLATE_WORKER_AUDIT_LEARNS_H
#define ABLATE_WORKER_AUDIT_LEARNS_H

#include "common/base/err.h"
#include "worker/model/model.h"

struct learns {
    /* Shares of the dense attention's mass (mean over heads and layers, t ≥ K) that the chosen keys
     * hold: with the indexer's weights as they are, with its initial ones, by chance. NaN where
     * every past key is seen. */
    double trained, untrained, chance;
};

/* On n ≤ B windows [n × (T+1)], evaluation mode. Leaves the parameters as they were. Errors:
 * NO_MEMORY. */
int learns_measure(struct model *model, const struct run_spec *spec, const int32_t *windows,
                   int64_t n, struct learns *ret, struct err *err);
/* Mean over t = K … T−1 of K/(t+1); NaN if there are none. */
double learns_chance(int64_t t, int64_t k);

#endif
