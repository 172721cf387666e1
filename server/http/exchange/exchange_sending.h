/* exchange_sending: bodies that are made while they are sent. */
#ifndef ABLATE_SERVER_EXCHANGE_SENDING_H
#define ABLATE_SERVER_EXCHANGE_SENDING_H

#include "server/http/exchange/state.h"

/* Makes a response of reply.source, or of reply.file (or fd) once sending_open
 * has opened it on the pool (state READY after that). NULL when memory runs out. */
struct MHD_Response *sending_source(struct exchange *exchange);
/* Of a source's header alone, whose length nobody knows. */
struct MHD_Response *sending_head(void);
/* Of bytes that are ready, piece by piece. */
struct MHD_Response *sending_bytes(struct exchange *exchange, char *take_bytes, size_t len);
void sending_open(struct exchange *exchange);
struct MHD_Response *sending_file(struct exchange *exchange);
/* A source has something to say, or everything ends. */
void sending_wake(struct exchange *exchange);
/* Whether its source sleeps and can be asked for a sign of life; asks it. */
bool sending_sleeps(const struct exchange *exchange);
void sending_beat(struct exchange *exchange);
/* The exchange is over. */
void sending_end(struct exchange *exchange);

#endif
