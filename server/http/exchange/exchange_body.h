/* exchange_body: the body of a request, and what is left of a refused one. */
#ifndef ABLATE_SERVER_EXCHANGE_BODY_H
#define ABLATE_SERVER_EXCHANGE_BODY_H

#include "server/http/exchange/state.h"

/* The header has been accepted, and a body comes. */
void body_begin(struct exchange *exchange);
/* exchange->err says why the body isn't wanted; the rest of it is drained. */
void body_refuse(struct exchange *exchange);
/* A part of the body. *n: in, the bytes that are here; out, those that aren't taken yet. */
enum MHD_Result body_take(struct exchange *exchange, const char *bytes, size_t *n);
/* All of the body is here: the steps of the endpoint begin. */
void body_end(struct exchange *exchange);

#endif
