/* pass: one walk of a batch through the model, forward or back: what all its parts must know. */
#ifndef ABLATE_WORKER_PASS_H
#define ABLATE_WORKER_PASS_H

#include "common/spec.h"
#include "worker/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pass {
    const struct run_spec *spec;
    struct pool *pool;
    size_t batch;       /* sequences in this pass, at most B */
    uint64_t step;      /* keys dropout and noise; 0 = evaluation: neither */
    bool dense;         /* dense warm-up: sparse kinds attend to every past key */
    bool row_invariant; /* gathered rows by gemm_rows: a token's bits don't depend on the others */
    double kl_scale;    /* weight of the indexer's loss in the gradient; 0 = don't train it */
};

#endif
