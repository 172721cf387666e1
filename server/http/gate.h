/* gate: what microhttpd's parser lets through and we don't: smuggling, traversal, wrong hosts,
 * bodies of the wrong size or kind. */
#ifndef ABLATE_SERVER_GATE_H
#define ABLATE_SERVER_GATE_H

#include "common/err.h"

#include <stdint.h>

struct exchange;

/* Checks request line and header; *ret_length = Content-Length, or −1 when the body is chunked, 0
 * without a body (set also when the check fails, as far as it is known). Fills req's header fields.
 * Errors: BAD_REQUEST, URI_TOO_LONG, MISDIRECTED. */
int gate_check(struct exchange *exchange, int64_t *ret_length, struct err *err);
/* Holds the announced body against what the endpoint takes. Errors: TOO_LARGE, UNSUPPORTED_TYPE,
 * BAD_REQUEST. */
int gate_body(const struct exchange *exchange, int64_t length, struct err *err);

#endif
