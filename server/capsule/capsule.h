/* capsule: an experiment in one archive, from what the store holds (layout: common/wire/capsule_layout.h).
 *
 * The archive is built in a file: memory grows with the number of runs (their rows of the
 * manifest), not with their curves, which are read row by row. Same state, same bytes.
 *
 *   capsule_archive.h  the archive and its manifest      capsule_run.h  a run's files
 */
#ifndef ABLATE_SERVER_CAPSULE_H
#define ABLATE_SERVER_CAPSULE_H

#include "common/base/digest.h"
#include "common/wire/capsule_layout.h"
#include "server/store/runs/store_runs.h"

#include <jansson.h>
#include <stdio.h>

struct capsule {
    char folder[CAPSULE_FOLDER_BYTES]; /* NAME-ID: letters, digits, . _ - */
    char digest[DIGEST_HEX];
};
/* Writes the capsule of an experiment to file (empty, can seek). report: its report_json, made
 * within the same transaction. Errors: NOT_FOUND, STORAGE, DISK_FULL, NO_MEMORY. */
int capsule_write(struct store *store, int64_t experiment, const json_t *report, FILE *file,
                  struct capsule *ret, struct err *err);

#endif
