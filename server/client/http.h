/* http: one way to ask the daemon, with what every request needs: where it goes, what it may take,
 * and what is made of a refusal.
 *
 * It keeps to the rules of transfer.h. Towards loopback no proxy is used, whatever the environment
 * says; elsewhere only https goes (where.h), through a proxy as a tunnel. Body and header have
 * bounds, a connection and a silence have times.
 */
#ifndef ABLATE_CLIENT_HTTP_H
#define ABLATE_CLIENT_HTTP_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "server/client/where.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct http;

enum {
    HTTP_BODY = 64 << 20, /* of a reply that is read whole */
    HTTP_CONNECT_S = 10,  /* to be connected */
    HTTP_QUIET_S = 60,    /* without a byte; the event stream says one in 15 s */
    HTTP_TOTAL_S = 300,   /* a reply that is read whole */
    HTTP_HEADERS = 256 << 10
};

struct http_reply {
    long status;
    char type[64], etag[128], range[64], location[200];
    struct buf body;
};

struct http_call {
    const char *method;
    const char *path; /* below /api/v1, encoded, its query included */
    const char *type; /* of the body; NULL = there is none */
    const char *body;
    size_t body_len;
    FILE *upload; /* instead of body; from where it stands */
    int64_t upload_bytes;
    const char *headers[3]; /* more lines, NULL at the end */
    /* Bytes of a reply of 200 or 206 as they come, instead of into the reply, of which all else is
     * known by then; what isn't 0 ends the call. */
    int (*take)(void *arg, const struct http_reply *reply, const char *bytes, size_t len);
    /* About ten times a second, with what was sent and received; what isn't 0 ends the call. */
    int (*tick)(void *arg, int64_t sent, int64_t received);
    void *arg;
    bool patient; /* no bound on how long it takes or is silent */
    bool stream;  /* no bound on how long it takes */
};

int http_new(const struct where *where, struct http **ret, struct err *err);
void http_free(struct http *http);
/* Goes to another place from now on. */
void http_move(struct http *http, const struct where *where);

/* One request. *ret is filled whenever a reply has come, and is the caller's (http_reply_done);
 * may be NULL. Errors: UNAVAILABLE when none came, or not all of it; PROTOCOL for one that isn't
 * acceptable (a redirect, too long); of a refusal its own code with its sentence. */
int http_call(struct http *http, const struct http_call *call, struct http_reply *ret,
              struct err *err);
void http_reply_done(struct http_reply *reply);
/* Whether the last call failed because tick or take wanted it so (UNAVAILABLE, without a message). */
bool http_ended(const struct http *http);

/* The JSON of a reply; body may be NULL. *ret (may be NULL) is the caller's. Errors: as http_call;
 * PROTOCOL when it isn't a JSON object. */
int http_json(struct http *http, const char *method, const char *path, const json_t *body,
              json_t **ret, struct err *err);
/* The same for a body that is text already, with an Idempotency-Key (NULL: none). */
int http_json_text(struct http *http, const char *method, const char *path, const char *body,
                   size_t len, const char *key, json_t **ret, struct err *err);
/* Appends "?name=value" or "&name=value" (the first has `?`), the value percent-encoded. */
void http_query(struct buf *path, const char *name, const char *value);
/* Appends a text as a part of a path, percent-encoded. */
void http_escape(struct buf *path, const char *text);

#endif
