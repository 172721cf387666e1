/* endpoint: one row of the route table, and the request it handles.
 *
 * An endpoint has up to five steps, in this order, any of which may be NULL:
 *
 *   decode   loop thread     parameters and body into req->state
 *   read     a reader's      whatever takes time, with a read-only store; of an upload in the line
 *                            of imports and without a store, so that no moment of it is held
 *   write    the writer      in its transaction
 *   encode   pool, or loop   req->state into a reply, whose JSON becomes bytes right after; on the
 *                            loop where nothing is read or written
 *   finish   loop thread     the rest of the daemon is told, and replies are made that only that
 *                            thread can make. After a write it is called before encode, and leaves
 *                            the reply alone
 *
 * In place of read and write an endpoint may wait for something else (struct waiting). The loop
 * serves everybody: no step of its thread may take more than a millisecond. The connection is
 * suspended while another thread works, and while it waits. The first step that fails ends the
 * request with a problem document. 404, 405, HEAD and OPTIONS come out of the table, not out of
 * endpoints.
 *
 * The table is api/routes.c's. What the steps ask of the request is exchange/exchange_request.h's.
 */
#ifndef ABLATE_SERVER_ENDPOINT_H
#define ABLATE_SERVER_ENDPOINT_H

#include "common/base/err.h"
#include "server/base/access.h"
#include "server/http/reply.h"
#include "server/store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options;
struct datadir;
struct work;
struct stream;
struct supervisor;
struct queries;
struct purge;
struct space;
struct auth;
struct httpd;
struct line;

/* What the daemon is made of; lives as long as the process. */
struct app {
    const struct options *options;
    const struct datadir *datadir;
    struct work *work;
    struct stream *stream;
    struct supervisor *supervisor;
    struct queries *queries;
    struct purge *purge;
    struct space *space;
    struct auth *auth;
    struct httpd *httpd;
    struct line *uploads, *imports; /* pieces on their way to the disk; corpora being read */
    int64_t started_ms;             /* monotonic */
    char base_url[300];
    bool closing; /* the daemon is on its way out: nothing new is accepted */
};

enum body_kind {
    BODY_NONE, /* a body is refused */
    BODY_JSON, /* application/json, at most ENDPOINT_BODY_MAX, parsed before decode; an object */
    BODY_JSON_OPTIONAL,
    BODY_UPLOAD, /* streamed to a file in the data folder before decode: req->upload_path */
};

enum { ENDPOINT_BODY_MAX = 1 << 20, ENDPOINT_PARAMS = 2 };

struct request {
    struct app *app;
    const struct endpoint *endpoint;
    const char *params[ENDPOINT_PARAMS]; /* the {…} of the path, decoded, in order */
    const char *content_type, *idempotency_key, *last_event_id, *if_none_match; /* headers; "" when
                                                                                  absent */
    bool gzip;             /* the caller takes a reply so */
    const char *session;   /* how the caller proved who it is: "token", "cookie", "none" or "" */
    enum access access;    /* what it may do */
    json_t *body;          /* BODY_JSON */
    const char *body_text; /* the bytes it was parsed from */
    size_t body_len;
    const char *upload_path; /* BODY_UPLOAD: the temporary file; removed after the request */
    int64_t upload_bytes;
    void *state; /* the endpoint's own */
    void (*state_free)(void *);
    bool more;                 /* set by `write`: it is called again, in another transaction */
    int64_t as_of;             /* the last event seq that `read` could see; set before it runs */
    struct exchange *exchange; /* of the http layer */
};

/* Work that is neither a reader's nor the writer's. Loop thread. */
struct waiting {
    /* Begins something that ends, later, with request_done. A negative code: the request ends with
     * err at once, and request_done isn't called. */
    int (*begin)(struct request *req, struct err *err);
    /* The caller has left, or the daemon ends: request_done is wanted soon. */
    void (*given_up)(struct request *req);
};

struct endpoint {
    const char *method, *path; /* "GET", "/api/v1/runs/{id}" */
    enum access access;        /* what it takes */
    enum body_kind body;
    const char
        *args; /* the query parameters that it knows, ", " between, "..." behind those that may
                         come several times; NULL = takes any */
    const struct waiting *waiting;
    int (*decode)(struct request *req, struct err *err);
    int (*read)(struct request *req, struct store *store, struct err *err);
    int (*write)(struct request *req, struct store *store, struct err *err);
    int (*encode)(struct request *req, struct reply *reply, struct err *err);
    int (*finish)(struct request *req, struct reply *reply, struct err *err);
};

/* The route table (routes.c): every endpoint, ended by a row without a path. */
extern const struct endpoint routes[];

#endif
