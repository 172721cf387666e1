/* route: from method and path to a row of the table; 404, 405, HEAD and OPTIONS come from here. */
#ifndef ABLATE_SERVER_ROUTE_H
#define ABLATE_SERVER_ROUTE_H

#include "common/base/err.h"
#include "server/http/endpoint.h"

struct exchange;

/* Finds the row of `table` for method (HEAD counts as GET) and path, whose segments it cuts in
 * place: params[] point into it. *ret_allow [≥ 64 bytes]: the methods that the path has, "" for an
 * unknown path. NULL when there is none. */
const struct endpoint *route_match(const struct endpoint *table, const char *method, char *path,
                                   const char *params[ENDPOINT_PARAMS], char *ret_allow);
/* Sets exchange->req.endpoint and params, or, for OPTIONS and files of the page, makes the reply
 * (state READY). Errors: NOT_FOUND, METHOD_NOT_ALLOWED. */
int route_find(struct exchange *exchange, struct err *err);
/* A method that the path doesn't have: OPTIONS is answered, anything else METHOD_NOT_ALLOWED. */
int route_other(struct exchange *exchange, const char *allowed, struct err *err);

#endif
