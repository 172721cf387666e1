/* report_stored: an experiment's report, of what the store holds. */
#ifndef ABLATE_SERVER_REPORT_STORED_H
#define ABLATE_SERVER_REPORT_STORED_H

#include "server/store/store.h"

#include <jansson.h>
#include <stdint.h>

/* The report's JSON (report.h); *ret is a new reference. On a reader's thread, or the writer's. Errors:
 * NOT_FOUND, NO_MEMORY, the store's. */
int report_make(struct store *store, int64_t experiment, json_t **ret, struct err *err);

#endif
