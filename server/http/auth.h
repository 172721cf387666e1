/* auth: who may ask.
 *
 * A caller proves itself by one of the data folder's tokens (server/tokens.h), or by a cookie that
 * the page gets for a one-time code. Cookie and code are signed with a key derived from the token
 * whose access they give: they survive a restart and die when that token changes, and with them
 * what is still being sent to their callers.
 *
 *   cookie  ablate_<instance> = <expiry>.<nonce>.<HMAC of purpose, expiry, nonce>
 *   code    <expiry>-<nonce>-<HMAC of purpose, expiry, nonce>, for 10 minutes and one use
 *
 * What was spent (codes used, sessions ended) is known by its nonce, until it would have expired
 * anyway; api/session.c keeps it in the store.
 *
 * Host is checked on every request (it must be an address, localhost or public_url's name), so that
 * a name somebody points at this machine opens nothing; Origin and Sec-Fetch-Site are checked on
 * every request that changes something.
 */
#ifndef ABLATE_SERVER_AUTH_H
#define ABLATE_SERVER_AUTH_H

#include "common/err.h"
#include "server/datadir.h"
#include "server/options.h"
#include "server/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AUTH_CODE_BYTES = 112,
    AUTH_COOKIE_BYTES = 160,
    AUTH_COOKIE_S = 30 * 86400,
    AUTH_CODE_S = 600,
    AUTH_NONCE_BYTES = 17,
    AUTH_CLIENT_BYTES = 64
};

struct auth;
struct exchange;
struct request;

/* What tells one code or session from another. */
struct auth_nonce {
    char text[AUTH_NONCE_BYTES];
    int64_t expiry_s;
    enum access access; /* what it gives; of one that was spent nobody cares */
};

/* By what right a request is answered, so that it can be seen whether it still holds. */
struct auth_grant {
    enum access access;
    unsigned generation;       /* of the token it hangs on */
    struct auth_nonce session; /* text is "" without one */
};

int auth_new(const struct datadir *datadir, const struct options *options, struct auth **ret,
             struct err *err);
void auth_free(struct auth *auth);

bool auth_host_allowed(const struct auth *auth, const char *host);
/* Errors: UNAUTHORIZED, INSUFFICIENT_ACCESS; FORBIDDEN for another site's page. Sets req.session,
 * req.access and grant. */
int auth_check(struct exchange *exchange, struct err *err);
/* Looks whether tokens have changed. */
void auth_refresh(struct auth *auth);
bool auth_grant_holds(const struct auth *auth, const struct auth_grant *grant);
/* Who asks, for the log: the peer's address, or what a trusted proxy says of it. */
void auth_client(const struct exchange *exchange, char ret[AUTH_CLIENT_BYTES]);

/* A fresh code for a log-in link that gives the token's access. */
void auth_code_make(const struct token *token, char ret[AUTH_CODE_BYTES]);
/* Whether the code is ours and hasn't expired; it may have been used. Errors: UNAUTHORIZED. */
int auth_code_check(struct auth *auth, const char *code, struct auth_nonce *ret, struct err *err);
int auth_code_refused(struct err *err);
/* The Set-Cookie value of a new session with this access, or, with ACCESS_PUBLIC, of its end. */
void auth_cookie_make(const struct auth *auth, enum access access, char *ret, size_t size);
/* The session of the request's cookie. */
bool auth_session(const struct request *req, struct auth_nonce *ret);
/* From now on the session's cookie is worth nothing. */
void auth_session_end(struct auth *auth, const struct auth_nonce *nonce);

#endif
