/* range: which part of a file a request asks for (RFC 9110, 14).
 *
 * One range of bytes is served. What asks for several, in another unit or not at all as the RFC has
 * it, gets the whole, as the RFC permits; and so does If-Range when what its sender has is another
 * file by now.
 */
#ifndef ABLATE_SERVER_RANGE_H
#define ABLATE_SERVER_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum range { RANGE_WHOLE, RANGE_PART, RANGE_NOWHERE /* 416 */ };
/* Range: text, NULL = none. Of a part, where it begins and its bytes; otherwise untouched. */
enum range range_of(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_len);
/* Whether If-Range (NULL = none) lets a range be served, of a file with this tag and time, as the
 * headers ETag (strong) and Last-Modified have them, or NULL. */
bool range_holds(const char *if_range, const char *etag, const char *modified);

#endif
