/* exchange: one request and its reply, as microhttpd drives them.
 *
 *   begin (the request line) → gate (header checks, auth, route) → body → decode → read → write →
 *   encode → reply → completed
 *
 * While a job of it is on another thread the connection is suspended; `suspended` is our own flag,
 * as resuming a running connection is undefined. A refused request with a small body is drained
 * first (at most DRAIN_BYTES), so that the client reads the reply instead of a reset connection.
 */
#ifndef ABLATE_SERVER_EXCHANGE_H
#define ABLATE_SERVER_EXCHANGE_H

#include "server/api/endpoint.h"
#include "server/work.h"

#include <microhttpd.h>
#include <uv.h>

/* A connection, beyond its requests. */
struct peer {
    struct peer *next, *previous;
    int fd;
    int64_t since_ms, allowed_ms; /* allowed_ms 0: no deadline */
};
/* From now on the peer has allowed_ms to get on; 0 = as long as it takes. */
void peer_wait(struct peer *peer, int64_t allowed_ms);
/* Between requests. */
void peer_idle(struct peer *peer);

enum exchange_state {
    EXCHANGE_NEW,
    EXCHANGE_BODY,
    EXCHANGE_REFUSED,
    EXCHANGE_WORKING,
    EXCHANGE_READY,
    EXCHANGE_SENT
};

enum { EXCHANGE_URI_MAX = 8192 };

struct exchange {
    struct request req;
    struct MHD_Connection *connection;
    struct peer *peer;
    enum exchange_state state;
    bool suspended, head;
    char *uri;  /* as it came, owned */
    char *path; /* decoded by microhttpd; its segments are cut by the route, owned */
    struct buf body;
    int64_t received; /* bytes of the body */
    int upload_fd;
    char upload_path[4096];
    struct job job;
    uv_work_t pool; /* a chunk of an upload, or of a file that is sent */
    struct err err;
    struct reply reply;
    struct sending *sending;          /* a file or source that is being sent */
    struct exchange *next, *previous; /* all that live */
};

void *exchange_begin(void *app, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_access(void *app, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **context);
void exchange_completed(void *app, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code);
void exchange_suspend(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);
/* Requests that are suspended because a thread works for them. */
size_t exchange_waiting(void);
/* Ends every source, so that no connection stays suspended. */
void exchange_wake_all(void);

/* respond.c: queues exchange->reply. */
enum MHD_Result exchange_respond(struct exchange *exchange);
void sending_wake(struct exchange *exchange);
void sending_end(struct exchange *exchange);

#endif
