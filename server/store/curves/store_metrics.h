/* store_metrics: applying a worker's events, metrics among them: series of (step, value) and their
 * rollups, which store_series.h and store_curves.h read.
 *
 * A row already stored stays: inserting the same (run, metric, step) again compares instead of
 * replacing, and only rows that were really inserted feed the rollups. */
#ifndef ABLATE_SERVER_STORE_METRICS_H
#define ABLATE_SERVER_STORE_METRICS_H

#include "common/wire/wire.h"
#include "server/store/store.h"

/* Applies one event of an attempt and sets acked_seq to its seq. seq ≤ acked_seq: ignored (0). seq
 * > acked_seq + 1: CONFLICT, nothing applied: the caller reads the file from acked_seq + 1.
 * finished and failed settle the run; an event after that: PROTOCOL, nothing applied. After any
 * other error the savepoint must be given up. *ret_acked: the attempt's acked_seq afterwards. */
int store_event_apply(struct store *, int64_t run, int64_t attempt, const struct wire_message *,
                      uint64_t *ret_acked, struct err *);

#endif
