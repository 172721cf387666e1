/* Four questions, in this order: does the Host belong to this server, whom does the token or the
 * cookie name, may that caller use the endpoint, and does the request come from our own page. */
#include "server/http/auth.h"

#include "common/base/log.h"
#include "server/http/exchange/state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 256 };

struct auth {
    const struct datadir *datadir;
    const struct options *options;
    struct tokens tokens;
    unsigned generations[ACCESS_KINDS]; /* how often each token has changed */
    char public_host[HOST_MAX];         /* of public_url, with its port if it has one; "" = none */
    char cookie_name[32];
    struct passes sessions;
};

int auth_new(const struct datadir *datadir, const struct options *options, struct auth **ret,
             struct err *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return err_no_memory(err, "the sessions");
    auth->datadir = datadir;
    auth->options = options;
    auth->tokens = datadir->tokens;
    snprintf(auth->cookie_name, sizeof auth->cookie_name, "ablate_%s", datadir->tokens.instance);
    const char *at = strstr(options->public_url, "://");
    if (at != NULL)
        snprintf(auth->public_host, sizeof auth->public_host, "%s", at + 3);
    int status =
        passes_load(auth->datadir->path, PASS_SESSION, &auth->tokens, &auth->sessions, err);
    if (status != 0) {
        free(auth);
        return status;
    }
    passes_tidy(auth->datadir->path, &auth->tokens);
    *ret = auth;
    return 0;
}

void auth_free(struct auth *auth)
{
    free(auth);
}

int auth_refresh(struct auth *auth, struct err *err)
{
    const char *folder = auth->datadir->path;
    if (!tokens_changed(folder, &auth->tokens))
        return 0;
    int status = datadir_check(auth->datadir, err);
    if (status != 0)
        return status;
    unsigned changed = tokens_refresh(folder, &auth->tokens);
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        if ((changed >> access & 1) != 0) {
            auth->generations[access]++;
            log_info("the %s token has changed%s", access_names[access],
                     auth->tokens.of[access].text[0] == '\0' ? ": there is none now" : "");
        }
    if (changed != 0)
        passes_tidy(folder, &auth->tokens);
    return 0;
}

const struct tokens *auth_tokens(const struct auth *auth)
{
    return &auth->tokens;
}

/* All fields of a repeated header are one list. */
static enum MHD_Result on_forwarded(void *arg, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    (void)kind;
    struct buf *list = arg;
    if (strcasecmp(key, "X-Forwarded-For") == 0 && value != NULL)
        buf_addf(list, "%s%s", list->len > 0 ? "," : "", value);
    return MHD_YES;
}

void auth_client(const struct exchange *x, char ret[AUTH_CLIENT_BYTES])
{
    const struct options *o = x->req.app->options;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct network peer;
    struct buf list;
    snprintf(ret, AUTH_CLIENT_BYTES, "?");
    if (info == NULL || !network_of(info->client_addr, &peer))
        return;
    buf_init(&list, 0);
    if (o->proxies_n > 0)
        MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_forwarded, &list);
    struct network client = network_client(&peer, list.data, o->proxies, o->proxies_n);
    network_print(&client, ret);
    buf_done(&list);
}

/* Host and Origin. */

static bool is_address(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in6_addr ignored;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, &ignored) == 1 || inet_pton(AF_INET6, text, &ignored) == 1;
}

bool auth_host_allowed(const struct auth *auth, const char *host)
{
    size_t len = strlen(host);
    if (auth->public_host[0] != '\0' && strcasecmp(host, auth->public_host) == 0)
        return true;
    const char *colon = strrchr(host, ':');
    if (colon != NULL && strchr(colon, ']') == NULL) {
        if (colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1))
            return false;
        len = (size_t)(colon - host);
    }
    return is_address(host, len) || (len == 9 && strncasecmp(host, "localhost", 9) == 0);
}

/* Whether the page that sent this is ours. `needed`: something must say so. */
static bool same_origin(const struct auth *auth, const struct exchange *x, bool needed)
{
    char ours[HOST_MAX + 8];
    const char *origin = exchange_header(x, "Origin"), *site = exchange_header(x, "Sec-Fetch-Site");
    const char *host = exchange_header(x, "Host");
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (origin == NULL)
        return site != NULL || !needed;
    if (auth->public_host[0] != '\0' && strcasecmp(origin, auth->options->public_url) == 0)
        return true;
    snprintf(ours, sizeof ours, "http://%s", host);
    return strcasecmp(host, auth->public_host) != 0 && strcasecmp(origin, ours) == 0;
}

/* Sessions. */

/* The session of that digest, if it holds. One that is over leaves here, and no clock or token that
 * is set back brings it again. */
static const struct pass *find_session(struct auth *auth, const char *digest)
{
    const struct pass *found = passes_find(&auth->sessions, digest);
    if (found == NULL || pass_holds(found, PASS_SESSION, &auth->tokens))
        return found;
    if (pass_is_over(found, PASS_SESSION, &auth->tokens)) {
        passes_remove(auth->datadir->path, PASS_SESSION, found);
        passes_drop(&auth->sessions, digest);
    }
    return NULL;
}

bool auth_session(const struct request *req, struct pass *ret)
{
    struct auth *auth = req->app->auth;
    char digest[DIGEST_HEX];
    const char *value =
        MHD_lookup_connection_value(req->exchange->connection, MHD_COOKIE_KIND, auth->cookie_name);
    const struct pass *found =
        value != NULL && pass_digest(value, digest) ? find_session(auth, digest) : NULL;
    if (found != NULL)
        *ret = *found;
    return found != NULL;
}

int auth_session_begin(struct auth *auth, const struct pass *session, struct err *err)
{
    struct pass ended;
    int status = auth_refresh(auth, err);
    if (status != 0)
        return status;
    if (!pass_holds(session, PASS_SESSION, &auth->tokens))
        return err_set(err, ERR_UNAUTHORIZED, "the %s token has been replaced meanwhile",
                       access_names[session->access]);
    passes_add(&auth->sessions, session, &ended);
    if (ended.digest[0] != '\0') /* of several that end together the files may have kept another */
        passes_remove(auth->datadir->path, PASS_SESSION, &ended);
    return 0;
}

void auth_session_end(struct auth *auth, const struct pass *session)
{
    passes_drop(&auth->sessions, session->digest);
}

void auth_cookie_make(const struct auth *auth, const char *secret, char *ret, size_t size)
{
    bool secure = strncmp(auth->options->public_url, "https://", 8) == 0;
    snprintf(ret, size, "%s=%s; Path=%s/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
             auth->cookie_name, secret, auth->options->public_path,
             secret[0] != '\0' ? PASS_SESSION_S : 0, secure ? "; Secure" : "");
}

/* The check. */

/* Compares with every token, whatever comes of it, so that time tells nothing. */
static enum access by_token(const struct auth *auth, const char *authorization)
{
    enum access found = ACCESS_PUBLIC;
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0 ||
        strlen(authorization + 7) != TOKEN_HEX)
        return ACCESS_PUBLIC;
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        if (digest_equal(authorization + 7, auth->tokens.of[access].text, TOKEN_HEX))
            found = access;
    return found;
}

bool auth_grant_holds(struct auth *auth, const struct auth_grant *grant)
{
    if (grant->access == ACCESS_PUBLIC || auth->options->no_auth)
        return true;
    if (grant->generation != auth->generations[grant->access])
        return false;
    return grant->session[0] == '\0' || find_session(auth, grant->session) != NULL;
}

/* Who it is: by token, by cookie, or nobody. */
static void identify(const struct auth *auth, struct exchange *x)
{
    struct pass session;
    x->req.session = "";
    x->req.access = by_token(auth, exchange_header(x, "Authorization"));
    if (x->req.access != ACCESS_PUBLIC) {
        x->req.session = "token";
    } else if (auth_session(&x->req, &session)) {
        x->req.session = "cookie";
        x->req.access = session.access;
        memcpy(x->grant.session, session.digest, sizeof session.digest);
    } else if (auth->options->no_auth) {
        x->req.session = "none";
        x->req.access = ACCESS_ADMIN;
    }
    x->grant.access = x->req.access;
    x->grant.generation = auth->generations[x->req.access];
}

/* What a refusal says in WWW-Authenticate is RFC 6750's, section 3. */
static int check_access(struct exchange *x, struct err *err)
{
    enum access needed = x->req.endpoint->access;
    const char *authorization = exchange_header(x, "Authorization");
    if (x->req.access >= needed)
        return 0;
    if (x->req.access != ACCESS_PUBLIC) {
        reply_header(&x->reply, "WWW-Authenticate",
                     "Bearer error=\"insufficient_scope\", scope=\"%s\"", access_names[needed]);
        return err_set(err, ERR_INSUFFICIENT_ACCESS,
                       "%s %s takes %s access; this %s gives %s access", x->method,
                       x->req.endpoint->path, access_names[needed],
                       strcmp(x->req.session, "cookie") == 0 ? "session" : "token",
                       access_names[x->req.access]);
    }
    bool wrong = authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0;
    reply_header(&x->reply, "WWW-Authenticate", "Bearer%s",
                 wrong ? " error=\"invalid_token\"" : "");
    return err_set(err, ERR_UNAUTHORIZED,
                   "send the token of the data folder (curl -K DIR/curlrc), or log in by the "
                   "link that `ablated link --data DIR` prints");
}

/* Below a path the origin is shared with whatever else is there. A form or an address in somebody's
 * text there can't send a header of its own; a script can, and nothing that a browser sends tells
 * it from our page. */
static bool says_whose(const struct auth *auth, const struct exchange *x)
{
    return auth->options->public_path[0] == '\0' || exchange_header(x, "X-Ablate-Request") != NULL;
}

int auth_check(struct exchange *x, struct err *err)
{
    struct auth *auth = x->req.app->auth;
    bool changes = strcmp(x->method, "GET") != 0 && !x->head;
    struct err trouble;
    int unsure = auth_refresh(auth, &trouble);
    identify(auth, x);
    if (unsure != 0 && x->req.endpoint->access != ACCESS_PUBLIC) {
        *err = trouble;
        return unsure;
    }
    bool cookie = strcmp(x->req.session, "cookie") == 0;
    int status = check_access(x, err);
    if (status == 0 && changes && !same_origin(auth, x, cookie))
        status = err_set(err, ERR_FORBIDDEN, "this request comes from another site's page");
    if (status == 0 && changes && cookie && !says_whose(auth, x))
        status = err_set(err, ERR_FORBIDDEN,
                         "below a path others share this origin: a request with a cookie that "
                         "changes something must have the header X-Ablate-Request");
    return status;
}
