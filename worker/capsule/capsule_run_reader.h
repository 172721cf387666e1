/* capsule_run_reader: a run's files in a capsule: its specification, run.json, and the table of its
 * values. */
#ifndef ABLATE_WORKER_CAPSULE_RUN_READER_H
#define ABLATE_WORKER_CAPSULE_RUN_READER_H

#include "common/spec/spec.h"
#include "worker/capsule/capsule_reader.h"

enum { CAPSULE_LINE_MAX = 512 }; /* bytes of a line of metrics.csv */

/* A run's files: runs/ID/name. */
void capsule_run_path(char ret[TAR_PATH_BYTES], int64_t run, const char *name);
struct capsule_run {
    int64_t id;
    json_t *json; /* run.json; owned */
    struct run_spec spec;
    const char *corpus; /* its digest, within spec; "" = a synthetic task */
};
/* Errors: NOT_FOUND (no such run), BAD_DATA (spec.json or run.json isn't sound, or they contradict
 * each other). */
int capsule_run_read(const struct capsule *capsule, int64_t id, struct capsule_run *ret,
                     struct err *err);
void capsule_run_done(struct capsule_run *run);
/* Every row of metrics.csv; each returns 0 or an error, which ends it. Errors: BAD_DATA (not a
 * table, not by metric, then step), STORAGE. */
int capsule_metrics(const struct capsule *capsule, int64_t run,
                    int (*each)(void *arg, const char *metric, int64_t step, double value,
                                struct err *err),
                    void *arg, struct err *err);

#endif
