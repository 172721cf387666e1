#include "server/http/auth.h"

#include "common/clock.h"
#include "common/log.h"
#include "server/http/exchange.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { USED_MAX = 4096, NONCE_HEX = 16, MAC_HEX = 64, HOST_MAX = 256 };

struct auth {
    const struct datadir *datadir;
    const struct options *options;
    char public_host[HOST_MAX]; /* of public_url, with its port if it has one; "" = none */
    char cookie_name[32];
    struct {
        char nonce[NONCE_HEX + 1];
        int64_t expiry_s;
    } used[USED_MAX]; /* codes that were taken and haven't expired */
    size_t used_n;
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
        snprintf(auth->public_host, sizeof auth->public_host, "%.*s", (int)strcspn(at + 3, "/"),
                 at + 3);
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

static const char *header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

/* Whether the page that sent this is ours. `needed`: something must say so. */
static bool same_origin(const struct auth *auth, const struct exchange *x, bool needed)
{
    const char *origin = header(x, "Origin"), *site = header(x, "Sec-Fetch-Site");
    const char *host = header(x, "Host");
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (origin == NULL)
        return site != NULL || !needed;
    const char *at = strstr(origin, "://");
    if (at == NULL)
        return false;
    return strcasecmp(at + 3, host) == 0 ||
           (auth->public_host[0] != '\0' && strcasecmp(at + 3, auth->public_host) == 0);
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

/* Reads "<expiry><separator><nonce><separator><mac>" up to its end or a ';'. */
static bool check_signed(const struct datadir *datadir, const char *purpose, char separator,
                         const char *text, char ret_nonce[NONCE_HEX + 1], int64_t *ret_expiry_s)
{
    char *end, mac[MAC_HEX + 1];
    long long expiry_s = strtoll(text, &end, 10);
    if (end == text || *end++ != separator || strspn(end, "0123456789abcdef") != NONCE_HEX)
        return false;
    memcpy(ret_nonce, end, NONCE_HEX);
    ret_nonce[NONCE_HEX] = '\0';
    end += NONCE_HEX;
    if (*end++ != separator || strspn(end, "0123456789abcdef") != MAC_HEX)
        return false;
    sign(datadir, purpose, expiry_s, ret_nonce, mac);
    *ret_expiry_s = expiry_s;
    return digest_equal(mac, end, MAC_HEX) && expiry_s * 1000 > clock_wall_ms();
}

void auth_code_make(const struct datadir *datadir, char ret[AUTH_CODE_BYTES])
{
    make_signed(datadir, "log-in", '-', AUTH_CODE_S, ret, AUTH_CODE_BYTES);
}

int auth_code_take(struct auth *auth, const char *code, struct err *err)
{
    char nonce[NONCE_HEX + 1];
    int64_t expiry_s = 0, now_s = clock_wall_ms() / 1000;
    for (size_t i = 0; i < auth->used_n;)
        if (auth->used[i].expiry_s < now_s)
            auth->used[i] = auth->used[--auth->used_n];
        else
            i++;
    bool good = check_signed(auth->datadir, "log-in", '-', code, nonce, &expiry_s);
    for (size_t i = 0; i < auth->used_n && good; i++)
        good = strcmp(auth->used[i].nonce, nonce) != 0;
    if (!good || auth->used_n == USED_MAX) {
        auth->refused++;
        return err_set(err, ERR_UNAUTHORIZED,
                       "this log-in link has been used or has expired; `ablated link --data DIR` "
                       "prints a new one");
    }
    memcpy(auth->used[auth->used_n].nonce, nonce, sizeof nonce);
    auth->used[auth->used_n++].expiry_s = expiry_s;
    return 0;
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

static bool good_cookie(const struct auth *auth, const struct exchange *x)
{
    char nonce[NONCE_HEX + 1];
    int64_t expiry_s;
    const char *value =
        MHD_lookup_connection_value(x->connection, MHD_COOKIE_KIND, auth->cookie_name);
    return value != NULL && check_signed(auth->datadir, "session", '.', value, nonce, &expiry_s);
}

int auth_check(struct exchange *x, const char *method, struct err *err)
{
    struct auth *auth = x->req.app->auth;
    bool changes = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
    bool cookie = false;
    if (good_token(auth, header(x, "Authorization"))) {
        x->req.session = "token";
    } else if (good_cookie(auth, x)) {
        x->req.session = "cookie";
        cookie = true;
    } else if (auth->options->no_auth) {
        x->req.session = "none";
        cookie = header(x, "Origin") != NULL || header(x, "Sec-Fetch-Site") != NULL;
    } else if (x->req.endpoint->access != ACCESS_PUBLIC) {
        auth->refused++;
        reply_header(&x->reply, "WWW-Authenticate", "Bearer");
        return err_set(err, ERR_UNAUTHORIZED,
                       "send the token of the data folder (curl -K DIR/curlrc), or log in by the "
                       "link that `ablated link --data DIR` prints");
    }
    if (changes && !same_origin(auth, x, cookie)) {
        auth->refused++;
        return err_set(err, ERR_FORBIDDEN, "this request comes from another site's page");
    }
    return 0;
}
