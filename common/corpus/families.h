/* families: documents that share text, so that a split can hold them out together.
 *
 * Real corpora are full of near copies: the same quotation with another ending, the same signature
 * under a hundred of them. Held out document by document, they put into validation what training
 * has seen. Two documents with a run of FAMILY_RUN bytes in common are of one family, and families
 * that share a document are one.
 */
#ifndef ABLATE_COMMON_FAMILIES_H
#define ABLATE_COMMON_FAMILIES_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* A context of 32 and the byte after it: what the audit split_overlap looks for. */
enum { FAMILY_RUN = 33, FAMILY_RUNS_MOST = 1 << 22 };

/* ret[documents]: the first document of each one's family. ends[documents] as in corpus.h. Runs are
 * known by 64-bit hashes. Of more than FAMILY_RUNS_MOST runs an evenly hashed share is compared,
 * which misses short runs that two documents share only once. Errors: NO_MEMORY. */
int families_find(const uint8_t *text, const uint64_t *ends, size_t documents, uint32_t *ret,
                  struct err *err);

/* The same piece by piece, for a text that isn't in memory. ret[documents] is written to all along
 * and complete after families_end; bytes: of the whole text. Memory: at most 12 bytes for each of
 * 2·FAMILY_RUNS_MOST places, however long the text. */
struct families;
int families_new(uint32_t *ret, size_t documents, uint64_t bytes, struct families **ret_families,
                 struct err *err);
/* The document at hand goes on. */
void families_add(struct families *families, const uint8_t *bytes, size_t n);
/* It is over; the next one begins. */
void families_next(struct families *families);
void families_end(struct families *families);
void families_free(struct families *families);

#endif
