/* auth: who may ask.
 *
 * A caller proves itself by the bearer token of the data folder, or by a cookie that the page gets
 * for a one-time code. Cookie and code are signed with a key derived from the token: they survive a
 * restart and die when the token changes.
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
};

int auth_new(const struct datadir *datadir, const struct options *options, struct auth **ret,
             struct err *err);
void auth_free(struct auth *auth);

bool auth_host_allowed(const struct auth *auth, const char *host);
/* Errors: UNAUTHORIZED, FORBIDDEN. Sets req.session. */
int auth_check(struct exchange *exchange, struct err *err);
/* Who asks, for the log: the peer's address, or what a trusted proxy says of it. */
void auth_client(const struct exchange *exchange, char ret[AUTH_CLIENT_BYTES]);

/* A fresh code for a log-in link; needs only the data folder. */
void auth_code_make(const struct datadir *datadir, char ret[AUTH_CODE_BYTES]);
/* Whether the code is ours and hasn't expired; it may have been used. Errors: UNAUTHORIZED. */
int auth_code_check(struct auth *auth, const char *code, struct auth_nonce *ret, struct err *err);
int auth_code_refused(struct err *err);
/* The Set-Cookie value of a new session, or, with `end`, of its end. */
void auth_cookie_make(const struct auth *auth, bool end, char *ret, size_t size);
/* The session of the request's cookie. */
bool auth_session(const struct request *req, struct auth_nonce *ret);
/* From now on the session's cookie is worth nothing. */
void auth_session_end(struct auth *auth, const struct auth_nonce *nonce);
/* Requests refused since the start. */
uint64_t auth_refused(const struct auth *auth);

#endif
