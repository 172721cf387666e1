/* exchange_cut: what cuts a request short: time, a peer that has left, a right that is gone. */
#ifndef ABLATE_SERVER_EXCHANGE_CUT_H
#define ABLATE_SERVER_EXCHANGE_CUT_H

#include "server/http/exchange/state.h"

/* Its peer took too long: answers 408 where that is possible, and ends the connection. */
void exchange_late(struct exchange *exchange);
/* Ends those that microhttpd doesn't get on with. Between two chunks of a body stands a line, which
 * it (0.9.75) gathers in its buffer; once that is full it reads no more, notices no end of the
 * stream, and asks to be run again, for ever. So this function is called after microhttpd was run,
 * again and again: a connection that has the same bytes waiting at two calls, and has given us none
 * in between, is stuck. */
void exchanges_unstick(struct exchanges *exchanges);
/* A suspended connection never notices that its peer has left: tells what it waits for, or ends a
 * stream that sleeps. */
void exchange_look(struct exchange *exchange);
/* Ends a peer's connection, soon. */
void exchanges_cut(struct exchanges *exchanges, const struct peer *peer);
/* Ends what is being sent, or waited for, by a right that no longer holds. */
void exchanges_recheck(struct exchanges *exchanges);

#endif
