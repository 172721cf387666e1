/* auth: who may ask.
 *
 * A caller proves itself by the bearer token of the data folder, or by a cookie that the page gets
 * for a one-time code. Cookie and code are signed with a key derived from the token: they survive a
 * restart and die when the token changes.
 *
 *   cookie  ablate_<instance> = <expiry>.<nonce>.<HMAC of both>
 *   code    <expiry>-<nonce>-<HMAC of both>, good for 10 minutes and one use
 *
 * Host is checked on every request (it must be an address, localhost or public_url's name), so that
 * a name somebody points at this machine opens nothing; Origin or Sec-Fetch-Site is checked on
 * every request that changes something and comes with a cookie.
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
    AUTH_CODE_S = 600
};

struct auth;
struct exchange;

int auth_new(const struct datadir *datadir, const struct options *options, struct auth **ret,
             struct err *err);
void auth_free(struct auth *auth);

bool auth_host_allowed(const struct auth *auth, const char *host);
/* Errors: UNAUTHORIZED, FORBIDDEN. Sets req.session. */
int auth_check(struct exchange *exchange, const char *method, struct err *err);

/* A fresh code for a log-in link; needs only the data folder. */
void auth_code_make(const struct datadir *datadir, char ret[AUTH_CODE_BYTES]);
/* Takes a code: once. Errors: UNAUTHORIZED. */
int auth_code_take(struct auth *auth, const char *code, struct err *err);
/* The Set-Cookie value of a new session, or, with `end`, of its end. */
void auth_cookie_make(const struct auth *auth, bool end, char *ret, size_t size);
/* Requests refused since the start. */
uint64_t auth_refused(const struct auth *auth);

#endif
