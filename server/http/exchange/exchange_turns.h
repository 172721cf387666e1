/* exchange_turns: whose turn it is in an exchange, ours or its peer's; what all its steps use. */
#ifndef ABLATE_SERVER_EXCHANGE_TURNS_H
#define ABLATE_SERVER_EXCHANGE_TURNS_H

#include "server/http/exchange/state.h"

/* Only inside a callback of microhttpd. */
void exchange_suspend(struct exchange *exchange);
/* Soon: those that are resumed stand in line, so that a turn of the loop has some of them only.
 * Does nothing unless suspended. */
void exchange_resume(struct exchange *exchange);
/* Before microhttpd is run: lets so many go on. Whether there are more. */
bool exchanges_resume(struct exchanges *exchanges, size_t most);
/* Suspends (unless it is already), calls run on the pool, then done (may be NULL) on the loop, and
 * resumes. One at a time. */
void exchange_pool(struct exchange *exchange, void (*run)(struct exchange *),
                   void (*done)(struct exchange *));
/* Whether we, not its peer, are to do something next. */
void exchange_our_turn(const struct exchange *exchange, bool ours);
/* The reply is complete: a problem document of exchange->err when status is negative. */
void exchange_ready(struct exchange *exchange, int status);
/* Counts, and now and then logs, that it was turned away for exchange->err. */
void exchange_refused(struct exchange *exchange);
/* How many bytes of the URI a log shows: a query may hold anything. */
int exchange_shown(const struct exchange *exchange);

#endif
