/* objects: the JSON objects of the API, each in one place: replies, events, reports and capsules
 * show the same ones (schema/openapi.yaml). All return new references, NULL when memory runs out.
 */
#ifndef ABLATE_SERVER_OBJECTS_H
#define ABLATE_SERVER_OBJECTS_H

#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/runs/store_runs.h"
#include "server/store/store.h"
#include "server/store/store_datasets.h"

#include <jansson.h>

json_t *objects_run(const struct run_row *row); /* with its frozen spec where the row has it */
json_t *objects_experiment(const struct experiment_row *row);
json_t *objects_queue(const struct queue_counts *counts);
json_t *objects_attempt(const struct attempt_row *row);
json_t *objects_audit(const struct audit_row *row);
json_t *objects_dataset(const struct dataset_row *row);
json_t *objects_artifact(const struct artifact_row *row);
/* Milliseconds since 1970 as an ISO time; null for 0. */
json_t *objects_time(int64_t ms);
/* JSON text of the store as a value; null when it is NULL or broken. */
json_t *objects_embed(const char *text);

#endif
