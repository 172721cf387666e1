/* exchange: one request and its reply, as microhttpd drives them.
 *
 *   begin (the request line) → gate (header) → route → auth → body → decode → read → write → encode
 *   → reply → completed
 *
 * While a thread works for it the connection is suspended; `suspended` is our own flag, as resuming
 * a running connection is undefined. Everything here happens on the loop thread, except what
 * exchange_pool and the store's jobs carry elsewhere.
 *
 * This header declares what the files of this folder define:
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

#include "server/http/auth.h"
#include "server/http/endpoint.h"
#include "server/http/peers.h"
#include "server/http/refusals.h"
#include "server/jobs/work.h"

#include <microhttpd.h>
#include <uv.h>

/* All exchanges of a server. */
struct exchanges {
    struct app *app;
    struct exchange *first;
    size_t waiting;    /* suspended because a thread, or something else, works for them */
    uint64_t calls;    /* that microhttpd has made; a run without any may have got nothing done */
    uint64_t until_ns; /* no new request is begun later in this run */
    struct exchange *resumed, **resumed_end; /* first come, first run */
    size_t turns;                            /* of the daemon's end in which nothing was made */
    bool cut;                                /* no file is sent on: they have had their time */
    struct refusals refusals;
};

enum exchange_state {
    EXCHANGE_NEW,     /* the request line is here */
    EXCHANGE_BODY,    /* the body comes in */
    EXCHANGE_REFUSED, /* err says why; what is left of the body is drained */
    EXCHANGE_WORKING, /* a thread works for it */
    EXCHANGE_READY,   /* the reply is complete */
    EXCHANGE_SENT
};

enum {
    EXCHANGE_URI_MAX = 8192,
    EXCHANGE_DRAIN_BYTES = 1 << 20, /* of a refused body, so that its sender reads the reply */
    /* A peer that takes fewer bytes of a reply in a millisecond, after a grace, isn't reading. */
    SENDING_MS = 60000,
    SENDING_BYTES_PER_MS = 16
};

struct exchange {
    struct request req;
    struct exchanges *all;
    struct exchange *next, *previous;
    struct MHD_Connection *connection;
    struct peer *peer;
    enum exchange_state state;
    char method[24];
    char *uri;      /* as it came, owned */
    char *path;     /* decoded; its segments are cut by the route, owned */
    int64_t length; /* Content-Length; −1: chunked; 0: no body */
    bool head;      /* a HEAD request */
    bool expects;   /* 100-continue */
    bool close;     /* where this request ends is in doubt: nothing may follow it */
    bool linger;    /* the connection ends with this reply, and bytes may still be coming */
    bool suspended;
    bool put_off;  /* to a later run, as this one had taken long enough */
    bool resuming; /* in the list of those */
    struct exchange *resume_next;
    bool told;  /* finish was called */
    bool waits; /* for its endpoint's waiting */
    bool heard; /* since exchanges_unstick looked */
    int unread; /* bytes that waited in the socket then */
    bool left;  /* its peer has, while it waited: nobody reads what becomes of it */
    int64_t begun_ms;
    struct auth_grant grant;

    struct buf body;           /* JSON, or the chunk of an upload that is being written */
    int64_t received, drained; /* bytes of the body; of it since it was refused */
    size_t written;            /* bytes of an upload on the disk that microhttpd still holds */
    int upload_fd;
    char *upload_path; /* owned; NULL until there is a file */

    struct job job;
    uv_work_t pool;
    void (*pool_run)(struct exchange *), (*pool_done)(struct exchange *);

    struct err err;
    struct reply reply;
    struct sending *sending; /* a file or source that is being sent */
};

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
/* A request header; NULL when absent. */
const char *exchange_header(const struct exchange *exchange, const char *name);

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
/* Of bytes that are ready, piece by piece. */
struct MHD_Response *sending_bytes(struct exchange *exchange, char *take_bytes, size_t len);
void sending_open(struct exchange *exchange);
struct MHD_Response *sending_file(struct exchange *exchange);
/* A source has something to say, or everything ends. */
void sending_wake(struct exchange *exchange);
/* The exchange is over. */
void sending_end(struct exchange *exchange);

#endif
