/* state: what is known of one request while it is under way, and of all of them. Those who look at
 * a request (gate.h, route.h, auth.h) know this; the steps that it takes are exchange.h's.
 */
#ifndef ABLATE_SERVER_STATE_H
#define ABLATE_SERVER_STATE_H

#include "server/http/auth.h"
#include "server/http/endpoint.h"
#include "server/http/linger.h"
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
    struct lingering lingering;
    void (*run_soon)(struct exchanges *); /* microhttpd has something to do */
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
    bool asked; /* its peer has ended its own side, and was sent something since */
    bool left;  /* its peer has, while it waited or slept: nobody reads what becomes of it */
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

/* A request header; NULL when absent. */
const char *exchange_header(const struct exchange *exchange, const char *name);

#endif
