/* import: from an uploaded file to a stored corpus (common/corpus.h). */
#ifndef ABLATE_SERVER_IMPORT_H
#define ABLATE_SERVER_IMPORT_H

#include "common/digest.h"
#include "common/err.h"
#include "server/datadir.h"

#include <stdint.h>

enum import_format { IMPORT_TEXT, IMPORT_JSONL };
extern const char *const import_format_names[]; /* "text", "jsonl"; NULL at the end */

struct import_result {
    char digest[DIGEST_HEX]; /* of the content */
    int64_t documents, bytes, duplicates;
};

/* Reads the file at `upload` (missing = empty) and leaves its documents in datasets/<digest>/,
 * whole or not at all. Errors: BAD_UTF8 and BAD_CORPUS with line and byte, MALFORMED … with the
 * line, STORAGE, DISK_FULL, NO_MEMORY. */
int import_file(const struct datadir *datadir, const char *upload, enum import_format format,
                struct import_result *ret, struct err *err);

#endif
