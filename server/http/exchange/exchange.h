/* exchange: one request and its reply, as microhttpd drives them.
 *
 *   begin (the request line) → gate (header) → route → auth → body → decode → read → write → encode
 *   → reply → completed
 *
 * While a thread works for it the connection is suspended; `suspended` is our own flag, as resuming
 * a running connection is undefined. Everything here happens on the loop thread, except what
 * exchange_pool and the store's jobs carry elsewhere.
 *
 * What is known of an exchange is state.h's. The folder's files:
 *
 *   exchange           from beginning to end
 *   exchange_ending    the daemon's end
 *   exchange_body      the body, and what is left of a refused one
 *   exchange_cut       what cuts a request short
 *   exchange_request   what endpoints ask of a request
 *   exchange_working   the steps of an endpoint
 *   exchange_respond   from a reply to bytes
 *   exchange_sending   bodies that are made while they are sent
 *   exchange_remains   what nobody needs any more
 *   exchange_turns     whose turn it is; what all the others use
 *
 * Each uses only what stands below it.
 *
 * They use, in the folder above: gate.h for what microhttpd's parser lets through, route.h for the
 * table, auth.h for who may ask, peers.h for connections, linger.h for closing so that the reply is
 * read, refusals.h for what is counted and logged of requests that are turned away.
 */
#ifndef ABLATE_SERVER_EXCHANGE_H
#define ABLATE_SERVER_EXCHANGE_H

#include "server/http/exchange/state.h"

/* Callbacks of microhttpd; the closure is a struct exchanges. */
void *exchange_begin(void *all, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_access(void *all, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **context);
void exchange_completed(void *all, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code);

#endif
