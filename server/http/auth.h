/* auth: who may ask.
 *
 * A caller proves itself by one of the data folder's tokens (server/data/tokens.h), or by the
 * cookie `ablate_<instance>` of a session, which the page gets for a one-time code
 * (server/data/passes.h). Both survive a restart. A session ends with its token, by logging out, or
 * when its time is over; replies that are being sent to its caller end with it. All sessions are in
 * memory here: a cookie that belongs to none of them opens nothing.
 *
 * Host is checked on every request (it must be an address, localhost or public_url's name), so that
 * a name somebody points at this machine opens nothing; Origin and Sec-Fetch-Site are checked on
 * every request that changes something.
 */
#ifndef ABLATE_SERVER_AUTH_H
#define ABLATE_SERVER_AUTH_H

#include "common/base/err.h"
#include "server/base/options.h"
#include "server/data/datadir.h"
#include "server/data/passes.h"
#include "server/data/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUTH_CLIENT_BYTES = 64 };

struct auth;
struct exchange;
struct request;

/* By what right a request is answered, so that it can be seen whether it still holds. */
struct auth_grant {
    enum access access;
    unsigned generation;      /* of the token it hangs on */
    char session[DIGEST_HEX]; /* by which it is known; "" without one */
};

/* Errors: NO_MEMORY, STORAGE (the sessions can't be read). */
int auth_new(const struct datadir *datadir, const struct options *options, struct auth **ret,
             struct err *err);
void auth_free(struct auth *auth);

bool auth_host_allowed(const struct auth *auth, const char *host);
/* Errors: UNAUTHORIZED, INSUFFICIENT_ACCESS; UNAVAILABLE; FORBIDDEN for another site's page. Sets
 * req.session, req.access and grant. */
int auth_check(struct exchange *exchange, struct err *err);
/* Looks whether tokens have changed. In a folder that isn't the daemon's nothing is believed: they
 * stay, and nobody is let in by them. Errors: UNAVAILABLE with what became of the folder. */
int auth_refresh(struct auth *auth, struct err *err);
bool auth_grant_holds(struct auth *auth, const struct auth_grant *grant);
/* Who asks, for the log: the peer's address, or what a trusted proxy says of it. */
void auth_client(const struct exchange *exchange, char ret[AUTH_CLIENT_BYTES]);

/* The tokens as they were at the last look. */
const struct tokens *auth_tokens(const struct auth *auth);
/* Lets the session in whose file has been made. Errors: UNAUTHORIZED: its token has gone since. */
int auth_session_begin(struct auth *auth, const struct pass *session, struct err *err);
/* The session of the request's cookie. */
bool auth_session(const struct request *req, struct pass *ret);
/* From now on the session's cookie is worth nothing; its file is the caller's to remove. */
void auth_session_end(struct auth *auth, const struct pass *session);
/* The Set-Cookie value that gives a session's secret, or, with "", takes it away. */
void auth_cookie_make(const struct auth *auth, const char *secret, char *ret, size_t size);

#endif
