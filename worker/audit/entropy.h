/* entropy: can this attention beat a coin toss? A small model with it is trained on fresh uniformly
 * random tokens. Without seeing a token no model can predict it at less than ln V nats. */
#ifndef ABLATE_WORKER_AUDIT_ENTROPY_H
#define ABLATE_WORKER_AUDIT_ENTROPY_H

#include "common/base/err.h"
#include "common/spec/probes.h"
#include "worker/base/pool.h"

#include <stdbool.h>
#include <stdint.h>

enum { ENTROPY_STEPS = PROBE_STEPS, ENTROPY_LAST = 100, ENTROPY_VOCAB = PROBE_VOCAB };

struct entropy {
    double mean, sd; /* of the losses of the last ENTROPY_LAST steps, in nats */
    double bound;    /* mean + 4·sd/√ENTROPY_LAST: a leak, if it is below the floor */
    double floor;    /* ln ENTROPY_VOCAB */
    bool stopped;
};

/* The run's seq_len and attention (so its K, kernel and indexer) in a model of two layers of 64.
 * stopped(arg) ends it early. Errors: NO_MEMORY. */
int entropy_measure(const struct run_spec *spec, const struct spec_attention *attention,
                    struct pool *pool, bool (*stopped)(void *arg), void *arg, struct entropy *ret,
                    struct err *err);

#endif
