/* gzip: bytes as gzip members (RFC 1952), by zlib; and who takes them.
 *
 * Text goes faster through a network for it, and costs a few milliseconds a megabyte: none of that
 * belongs on the loop's thread.
 */
#ifndef ABLATE_SERVER_GZIP_H
#define ABLATE_SERVER_GZIP_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether an Accept-Encoding header (NULL: there is none) takes gzip (RFC 9110, 12.5.3): named, or by
 * `*`, with a weight other than 0. */
bool gzip_accepted(const char *header);
/* Whether a media type is of text that packs well. Streams of events are not: they wait for no block. */
bool gzip_suits(const char *type);

/* Replaces what is in the buffer, if that makes it shorter; otherwise it stays. Whether it did. */
bool gzip_buf(struct buf *body);

/* A stream, part by part. */
struct gzip;
/* Errors: NO_MEMORY. */
int gzip_new(struct gzip **ret, struct err *err);
void gzip_free(struct gzip *gzip);
/* Appends what comes of these bytes, perhaps nothing yet; `last`: of all that is left, too. A buffer that
 * can't grow has failed. */
void gzip_add(struct gzip *gzip, const void *bytes, size_t len, bool last, struct buf *to);

#endif
