/* exchange_ending: how requests end when the daemon does. */
#ifndef ABLATE_SERVER_EXCHANGE_ENDING_H
#define ABLATE_SERVER_EXCHANGE_ENDING_H

#include "server/http/exchange/state.h"

/* The daemon ends. From then on exchanges_have_ended is asked after each run of microhttpd, some
 * milliseconds apart, until it says so. */
void exchanges_end(struct exchanges *exchanges);
bool exchanges_have_ended(struct exchanges *exchanges);

#endif
