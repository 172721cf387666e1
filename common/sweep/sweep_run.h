/* sweep_run: one run of a sweep, built: its arm and its grid point on top of the shared fields. */
#ifndef ABLATE_COMMON_SWEEP_RUN_H
#define ABLATE_COMMON_SWEEP_RUN_H

#include "common/sweep/sweep.h"

/* One run of the sweep, as sweep_run fills it. */
struct sweep_item {
    struct run_spec spec;
    const char *arm; /* borrowed from the sweep */
    json_t *grid;    /* owned by the caller: {"data.seq_len": 64} */
};

/* Builds run i of 0 … runs_n−1. Errors: as run_spec_decode, with pointers into the experiment's
 * spec. */
int sweep_run(const struct sweep *sweep, size_t i, struct sweep_item *ret, struct err *err);

#endif
