/* exchange: one request and its reply, as microhttpd drives them.
 *
 *   begin (the request line) → gate (header) → route → auth → body → decode → read → write → encode
 *   → reply → completed
 *
 * While a thread works for it the connection is suspended; `suspended` is our own flag, as resuming
 * a running connection is undefined. Everything here happens on the loop thread, except what
 * exchange_pool and the store's jobs carry elsewhere.
 *
 * What is known of an exchange is state.h's. This header declares what the folder's other files
 * define:
 *
 *   exchange.c           from beginning to end, and what cuts a request short
 *   exchange_body.c      the body, and what is left of a refused one
 *   exchange_request.c   what endpoints ask of a request (endpoint.h)
 *   exchange_working.c   the steps of an endpoint
 *   exchange_respond.c   from a reply to bytes
 *   exchange_sending.c   bodies that are made while they are sent
 *   exchange_ending.c    the daemon's end
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
/* Its peer took too long: answers 408 where that is possible, and ends the connection. */
void exchange_late(struct exchange *exchange);
/* Ends those that microhttpd doesn't get on with. Between two chunks of a body stands a line, which
 * it (0.9.75) gathers in its buffer; once that is full it reads no more, notices no end of the
 * stream, and asks to be run again, for ever. So this function is called after microhttpd was run,
 * again and again: a connection that has the same bytes waiting at two calls, and has given us none
 * in between, is stuck. */
void exchanges_unstick(struct exchanges *exchanges);
/* Tells what it waits for when its peer has left: a suspended connection never notices. */
void exchange_look(struct exchange *exchange);
/* Ends a peer's connection, soon. */
void exchanges_cut(struct exchanges *exchanges, const struct peer *peer);
/* Ends what is being sent, or waited for, by a right that no longer holds. */
void exchanges_recheck(struct exchanges *exchanges);
/* The daemon ends. From then on exchanges_have_ended is asked after each run of microhttpd, some
 * milliseconds apart, until it says so. */
void exchanges_end(struct exchanges *exchanges);
bool exchanges_have_ended(struct exchanges *exchanges);
/* Whether we, not its peer, are to do something next. */
void exchange_our_turn(const struct exchange *exchange, bool ours);
/* The reply is complete: a problem document of exchange->err when status is negative. */
void exchange_ready(struct exchange *exchange, int status);
/* decode, then what needs a thread, then encode. */
void exchange_work(struct exchange *exchange);

/* exchange_body.c. The header has been accepted, and a body comes. */
void body_begin(struct exchange *exchange);
/* exchange->err says why the body isn't wanted; the rest of it is drained. */
void body_refuse(struct exchange *exchange);
/* A part of the body. *n: in, the bytes that are here; out, those that aren't taken yet. */
enum MHD_Result body_take(struct exchange *exchange, const char *bytes, size_t *n);
/* All of the body is here: the steps of the endpoint begin. */
void body_end(struct exchange *exchange);
/* The exchange is over. */
void body_discard(struct exchange *exchange);
/* Nobody needs the JSON any more. Any thread that works for the exchange. */
void body_forget(struct exchange *exchange);
/* Closes a file, and removes it unless path is NULL, on the pool, since a large one takes its time.
 */
void body_let_go(struct app *app, int fd, char *take_path);

/* exchange_respond.c: queues exchange->reply. */
enum MHD_Result exchange_respond(struct exchange *exchange);
/* Writes the reply past microhttpd, which takes none while a body comes in. Ends the connection. */
void exchange_respond_past(struct exchange *exchange);

/* exchange_sending.c: makes a response of reply.source, or of reply.file (or fd) once sending_open
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
/* The exchange is over. */
void sending_end(struct exchange *exchange);

#endif
