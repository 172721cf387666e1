/* capsule_run: a run's files in a capsule. */
#ifndef ABLATE_SERVER_CAPSULE_RUN_H
#define ABLATE_SERVER_CAPSULE_RUN_H

#include "common/base/err.h"
#include "server/store/runs/store_runs.h"

struct capsule_archive;
struct digests_row;

/* Adds spec.json, run.json and metrics.csv of one run; *row starts as
 * zeros and is the caller's (run_row_done), after an error, too. */
int capsule_add_run(struct capsule_archive *archive, struct store *store,
                    const struct digests_row *digests, struct run_row *row, struct err *err);

#endif
