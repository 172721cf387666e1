/* learns: does the indexer find what dense attention would look at? */
#ifndef ABLATE_WORKER_AUDIT_LEARNS_H
#define ABLATE_WORKER_AUDIT_LEARNS_H

#include "common/base/err.h"
#include "worker/model/model.h"

enum { LEARNS_WINDOWS = 16 }; /* at least, where validation has as many */

struct learns {
    /* Shares of the dense attention's mass (mean over heads and layers, t ≥ K) that the chosen keys
     * hold: with the indexer's weights as they are, with its initial ones, by chance. NaN where
     * every past key is seen. */
    double trained, untrained, chance;
    /* Mean over windows of trained − untrained, and its standard error; NaN of a single window. */
    double gain, error;
    /* KL over the keys that the trained indexer chose, Σ over layers: of its scores, and of those
     * that its initial weights give to the same keys. */
    double kl, kl_untrained;
    int64_t windows;
};

/* On n windows [n × (T+1)], evaluation mode. Leaves the parameters as they were. Errors: NO_MEMORY.
 */
int learns_measure(struct model *model, const struct run_spec *spec, const int32_t *windows,
                   int64_t n, struct learns *ret, struct err *err);
/* Whether that is learning: less KL, more recall than chance, and than before by more than two
 * standard errors. */
bool learns_shown(const struct learns *learns);
/* Mean over t = K … T−1 of K/(t+1); NaN if there are none. */
double learns_chance(int64_t t, int64_t k);

#endif
