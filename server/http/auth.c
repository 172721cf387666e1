#include "server/http/auth.h"

#include "common/clock.h"
#include "server/http/exchange.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENDED_MAX = 2048, NONCE_HEX = AUTH_NONCE_BYTES - 1, MAC_HEX = 64, HOST_MAX = 256 };

struct auth {
    const struct datadir *datadir;
    const struct options *options;
    char public_host[HOST_MAX]; /* of public_url, with its port if it has one; "" = none */
    char cookie_name[32];
    struct auth_nonce ended[ENDED_MAX]; /* sessions; a ring */
    size_t ended_n;
    uint64_t refused;
};

int auth_new(const struct datadir *datadir, const struct options *options, struct auth **ret,
             struct err *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the sessions");
    auth->datadir = datadir;
    auth->options = options;
    snprintf(auth->cookie_name, sizeof auth->cookie_name, "ablate_%s", datadir->instance);
    const char *at = strstr(options->public_url, "://");
    if (at != NULL)
        snprintf(auth->public_host, sizeof auth->public_host, "%s", at + 3);
    *ret = auth;
    return 0;
}

void auth_free(struct auth *auth)
{
    free(auth);
}

uint64_t auth_refused(const struct auth *auth)
{
    return auth->refused;
}

void auth_client(const struct exchange *x, char ret[AUTH_CLIENT_BYTES])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *forwarded =
        x->req.app->options->trusted_proxy ? exchange_header(x, "X-Forwarded-For") : NULL;
    snprintf(ret, AUTH_CLIENT_BYTES, "?");
    if (forwarded != NULL) { /* the last one is what the proxy itself has seen */
        const char *comma = strrchr(forwarded, ',');
        snprintf(ret, AUTH_CLIENT_BYTES, "%s",
                 comma != NULL ? comma + 1 + strspn(comma + 1, " ") : forwarded);
    } else if (info != NULL) {
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    ret, AUTH_CLIENT_BYTES, NULL, 0, NI_NUMERICHOST);
    }
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

/* Signed values. */

static void sign(const struct datadir *datadir, const char *purpose, long long expiry_s,
                 const char *nonce, char ret[MAC_HEX + 1])
{
    char text[128];
    uint8_t mac[DIGEST_BYTES];
    int len = snprintf(text, sizeof text, "%s %lld %s", purpose, expiry_s, nonce);
    digest_hmac(datadir->key, sizeof datadir->key, text, (size_t)len, mac);
    digest_hex(mac, sizeof mac, ret);
}

static void make_signed(const struct datadir *datadir, const char *purpose, char separator,
                        long long seconds, char *ret, size_t size)
{
    char nonce[NONCE_HEX + 1], mac[MAC_HEX + 1];
    long long expiry_s = (long long)(clock_wall_ms() / 1000) + seconds;
    datadir_random_hex(NONCE_HEX / 2, nonce);
    sign(datadir, purpose, expiry_s, nonce, mac);
    snprintf(ret, size, "%lld%c%s%c%s", expiry_s, separator, nonce, separator, mac);
}

/* Reads "<expiry><separator><nonce><separator><mac>". */
static bool check_signed(const struct datadir *datadir, const char *purpose, char separator,
                         const char *text, struct auth_nonce *ret)
{
    char *end, mac[MAC_HEX + 1];
    long long expiry_s = strtoll(text, &end, 10);
    if (end == text || *end++ != separator || strspn(end, "0123456789abcdef") != NONCE_HEX)
        return false;
    memcpy(ret->text, end, NONCE_HEX);
    ret->text[NONCE_HEX] = '\0';
    ret->expiry_s = expiry_s;
    end += NONCE_HEX;
    if (*end++ != separator || strlen(end) != MAC_HEX)
        return false;
    sign(datadir, purpose, expiry_s, ret->text, mac);
    return digest_equal(mac, end, MAC_HEX) && expiry_s > clock_wall_ms() / 1000;
}

void auth_code_make(const struct datadir *datadir, char ret[AUTH_CODE_BYTES])
{
    make_signed(datadir, "log-in", '-', AUTH_CODE_S, ret, AUTH_CODE_BYTES);
}

int auth_code_refused(struct err *err)
{
    return err_set(err, ERR_UNAUTHORIZED,
                   "this log-in link has been used or has expired; `ablated link --data DIR` "
                   "prints a new one");
}

int auth_code_check(struct auth *auth, const char *code, struct auth_nonce *ret, struct err *err)
{
    if (check_signed(auth->datadir, "log-in", '-', code, ret))
        return 0;
    auth->refused++;
    return auth_code_refused(err);
}

void auth_cookie_make(const struct auth *auth, bool end, char *ret, size_t size)
{
    char value[AUTH_COOKIE_BYTES] = "";
    if (!end)
        make_signed(auth->datadir, "session", '.', AUTH_COOKIE_S, value, sizeof value);
    bool secure = strncmp(auth->options->public_url, "https://", 8) == 0;
    snprintf(ret, size, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s", auth->cookie_name,
             value, end ? 0 : AUTH_COOKIE_S, secure ? "; Secure" : "");
}

/* The check. */

static bool good_token(const struct auth *auth, const char *authorization)
{
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
        return false;
    const char *token = authorization + 7;
    return strlen(token) == 64 && digest_equal(token, auth->datadir->token, 64);
}

bool auth_session(const struct request *req, struct auth_nonce *ret)
{
    const struct auth *auth = req->app->auth;
    const char *value =
        MHD_lookup_connection_value(req->exchange->connection, MHD_COOKIE_KIND, auth->cookie_name);
    if (value == NULL || !check_signed(auth->datadir, "session", '.', value, ret))
        return false;
    for (size_t i = 0; i < ENDED_MAX && i < auth->ended_n; i++)
        if (strcmp(auth->ended[i].text, ret->text) == 0)
            return false;
    return true;
}

void auth_session_end(struct auth *auth, const struct auth_nonce *nonce)
{
    auth->ended[auth->ended_n++ % ENDED_MAX] = *nonce;
}

int auth_check(struct exchange *x, struct err *err)
{
    struct auth *auth = x->req.app->auth;
    struct auth_nonce session;
    bool changes = strcmp(x->method, "GET") != 0 && !x->head, by_browser = false;
    if (good_token(auth, exchange_header(x, "Authorization"))) {
        x->req.session = "token";
    } else if (auth_session(&x->req, &session)) {
        x->req.session = "cookie";
        by_browser = true;
    } else if (auth->options->no_auth) {
        x->req.session = "none";
    } else if (x->req.endpoint->access != ACCESS_PUBLIC) {
        auth->refused++;
        reply_header(&x->reply, "WWW-Authenticate", "Bearer");
        return err_set(err, ERR_UNAUTHORIZED,
                       "send the token of the data folder (curl -K DIR/curlrc), or log in by the "
                       "link that `ablated link --data DIR` prints");
    }
    if (changes && !same_origin(auth, x, by_browser)) {
        auth->refused++;
        return err_set(err, ERR_FORBIDDEN, "this request comes from another site's page");
    }
    return 0;
}
