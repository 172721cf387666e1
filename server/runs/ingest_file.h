/* ingest_file: a line of an attempt into the store, and a file of them. */
#ifndef ABLATE_SERVER_INGEST_FILE_H
#define ABLATE_SERVER_INGEST_FILE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Writer thread: applies one line of an attempt. *ret_acked is set when it was an event. Errors:
 * PROTOCOL (a line that isn't one, or the attempt has ended) and CONFLICT (a gap before it), both
 * with nothing applied; otherwise the store's, and the transaction's savepoint must be given up. */
int ingest_line(struct store *store, int64_t run, int64_t attempt, const char *line, size_t len,
                uint64_t *ret_acked, struct err *err);
/* Writer thread: applies the complete lines of the attempt's file after acked_seq, about 2 MiB of
 * them; *ret_more: there are others, for another transaction. A file that isn't there is an empty
 * one. Errors: PROTOCOL with the line's number, what stands before it being applied, or when the
 * file has lost lines that are stored; UNAVAILABLE; the store's. */
int ingest_file(struct store *store, const char *attempt_dir, int64_t run, int64_t attempt,
                bool *ret_more, struct err *err);

#endif
