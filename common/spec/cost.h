/* cost: what a run will need, from its spec alone.
 *
 * A frozen spec has steps and no flops: when the count is improved, runs that exist keep their
 * steps, and only what is said of their cost changes. */
#ifndef ABLATE_COMMON_COST_H
#define ABLATE_COMMON_COST_H

#include "common/spec/spec.h"

struct cost {
    int64_t parameters;    /* trainable or frozen, all of them */
    int64_t memory_bytes;  /* estimated peak resident set of the trainer */
    double flops_per_step; /* one training step: forward, backward, indexer and KL counted; a
                              multiply-add is 2, GEMMs and attention only */
    double flops_total;    /* the run, evaluations excluded */
};

void cost_estimate(const struct run_spec *spec, struct cost *ret);
/* Pairs (query, key) of one sequence of t tokens that enter one head's attention. */
double cost_pairs(const struct spec_attention *attention, int64_t t);
/* What the first `steps` steps cost, warm-up steps with dense attention at their own price. */
double cost_flops(const struct run_spec *spec, int64_t steps);
/* The first step behind `after` at which the price of a step changes; at the latest the last one of
 * training. Between two such steps cost_flops goes straight. */
int64_t cost_bend(const struct run_spec *spec, int64_t after);
/* The most steps, up to `most`, that cost at most `flops`; 1 if not even one does. */
int64_t cost_steps(const struct run_spec *spec, double flops, int64_t most);

#endif
