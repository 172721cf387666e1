/* gate: what microhttpd's parser lets through and we don't: smuggling, traversal, wrong hosts,
 * bodies of the wrong size or kind. */
#ifndef ABLATE_SERVER_GATE_H
#define ABLATE_SERVER_GATE_H

#include "common/base/err.h"

struct exchange;

/* Checks request line and header; method and version as microhttpd gave them. Fills length,
 * expects, close (when it is refused here, or when it is in doubt where it ends and the next
 * begins) and req's header fields, also when it fails. Errors: BAD_REQUEST, HEADERS_TOO_LARGE,
 * URI_TOO_LONG, MISDIRECTED. */
int gate_check(struct exchange *exchange, const char *method, const char *version, struct err *err);
/* Holds the announced body against what the endpoint takes. Errors: TOO_LARGE, UNSUPPORTED_TYPE,
 * BAD_REQUEST. */
int gate_body(const struct exchange *exchange, struct err *err);

#endif
