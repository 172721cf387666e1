/* submit_plan: what the audits can say of an experiment before a step is trained, so that nobody
 * waits for a comparison that is invalid by its specification. On a reader's thread. */
#ifndef ABLATE_SERVER_SUBMIT_PLAN_H
#define ABLATE_SERVER_SUBMIT_PLAN_H

#include "common/sweep/sweep.h"
#include "server/data/datadir.h"
#include "server/store/runs/store_experiments.h"

/* The runs of a sweep, frozen, that are to be. *ret: [{name, status, detail, arm, grid, evidence,
 * invalidates, what, remedy}], a new reference. Errors: NO_MEMORY, the store's, the corpus'. */
int submit_plan(struct store *store, const struct datadir *datadir, const struct sweep *sweep,
                const struct new_run *runs, size_t runs_n, json_t **ret, struct err *err);

#endif
