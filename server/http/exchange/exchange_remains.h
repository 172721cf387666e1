/* exchange_remains: what is left of a request, and what of it was needed for a while. */
#ifndef ABLATE_SERVER_EXCHANGE_REMAINS_H
#define ABLATE_SERVER_EXCHANGE_REMAINS_H

#include "server/http/exchange/state.h"

enum { REMAINS_LARGE = 16384 }; /* bytes of JSON; the loop parses and takes apart no more itself */

/* The exchange is over. */
void remains_discard(struct exchange *exchange);
/* Nobody needs the JSON any more. Any thread that works for the exchange. */
void remains_forget(struct exchange *exchange);
/* Closes a file, and removes it unless path is NULL, on the pool, since a large one takes its time.
 */
void remains_let_go(struct app *app, int fd, char *take_path);

#endif
