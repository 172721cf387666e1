/* exchange_respond: from a reply to bytes. */
#ifndef ABLATE_SERVER_EXCHANGE_RESPOND_H
#define ABLATE_SERVER_EXCHANGE_RESPOND_H

#include "server/http/exchange/state.h"

/* Queues exchange->reply. */
enum MHD_Result exchange_respond(struct exchange *exchange);
/* Writes the reply past microhttpd, which takes none while a body comes in. Ends the connection. */
void exchange_respond_past(struct exchange *exchange);

#endif
