/* exchange_working: the steps of an endpoint. */
#ifndef ABLATE_SERVER_EXCHANGE_WORKING_H
#define ABLATE_SERVER_EXCHANGE_WORKING_H

#include "server/http/exchange/state.h"

/* decode, then what needs a thread, then encode. */
void exchange_work(struct exchange *exchange);
/* What the endpoint waited for is over: encode follows, or, for a negative status, err's problem. */
void exchange_waited(struct exchange *exchange, int status, const struct err *err);

#endif
