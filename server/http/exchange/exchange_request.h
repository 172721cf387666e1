/* exchange_request: what an endpoint asks of its request, and tells of it. */
#ifndef ABLATE_SERVER_EXCHANGE_REQUEST_H
#define ABLATE_SERVER_EXCHANGE_REQUEST_H

#include "server/http/endpoint.h"

/* Allocates req->state (zeroed, freed with `state_free`, or free() when NULL). NULL: NO_MEMORY. */
void *request_state(struct request *req, size_t size, void (*state_free)(void *), struct err *err);
/* The value of a query parameter, decoded; NULL when absent. */
const char *request_arg(const struct request *req, const char *name);
/* All values of one that may be given several times, in their order, the first `max` of them into ret;
 * how many there are. They live as long as the request. */
size_t request_arg_all(const struct request *req, const char *name, const char **ret, size_t max);
/* Refuses a body with members, for an endpoint that may have a body but knows no fields. Errors:
 * UNKNOWN_FIELD. */
int request_no_fields(const struct request *req, struct err *err);
/* The path parameter i as a positive id. Errors: NOT_FOUND. */
int request_id(const struct request *req, int i, int64_t *ret, struct err *err);
/* A query parameter as an integer in [min, max]; absent = fallback. Errors: BAD_PARAMETER. */
int request_arg_int(const struct request *req, const char *name, int64_t min, int64_t max,
                    int64_t fallback, int64_t *ret, struct err *err);
/* What the request waited for is over: encode follows, or, for a negative status, err's problem. */
void request_done(struct request *req, int status, const struct err *err);
/* Wakes a connection whose source had nothing to send. Loop thread. */
void request_wake(struct request *req);
/* Closes a connection at once and without a goodbye. */
void request_drop(struct request *req);

#endif
