/* libcurl takes the URL apart, and the parts are put together anew: what is checked here is what is
 * asked then, however it was spelt (127.1, 0x7f.1). */
#include "server/client/where.h"

#include "common/base/files.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A token of ours is 64 hexadecimal digits; a proxy's own may be another. */
static int take_token(const char *from, const char *text, struct where *to, struct err *err)
{
    size_t len = strcspn(text, "\r\n");
    bool clean =
        len > 0 && len < sizeof to->token && text[len + strspn(text + len, "\r\n")] == '\0';
    for (size_t i = 0; i < len && clean; i++)
        clean = text[i] > ' ' && text[i] < 0x7f;
    if (!clean)
        return err_set(err, ERR_BAD_DATA, "%s holds no token: one line, without spaces", from);
    snprintf(to->token, sizeof to->token, "%.*s", (int)len, text);
    return 0;
}

static int read_token(const char *path, struct where *to, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    int status = files_read(path, 4096, &text, &len, err);
    if (status == 0)
        status = take_token(path, text, to, err);
    free(text);
    return status;
}

/* The strongest that this user may read. */
static int token_of_folder(struct where *to, struct err *err)
{
    static const char *const names[] = { "token", "token.submit", "token.read" };
    char path[PATH_MAX + 16];
    int first = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", to->folder, names[i]);
        int status = read_token(path, to, i == 0 ? err : NULL);
        if (status == 0)
            return 0;
        first = i == 0 ? status : first;
    }
    return first;
}

static int take_folder(struct where *to, struct err *err)
{
    char path[PATH_MAX + 16], *text = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s/address", to->folder);
    int status = files_read(path, 4096, &text, &len, err);
    if (status == -ERR_NOT_FOUND)
        status = err_set(err, ERR_UNAVAILABLE, "no daemon serves %s", to->folder);
    if (status == 0) {
        text[strcspn(text, "\n")] = '\0';
        status = where_take_url(path, text, to, err);
    }
    free(text);
    return status == 0 ? token_of_folder(to, err) : status;
}

/* The literal loopback addresses; what isn't one is no address of this machine, whatever a resolver
 * says. */
bool where_is_loopback(const char *host)
{
    unsigned char bytes[16];
    char inner[64];
    size_t len = strlen(host);
    if (inet_pton(AF_INET, host, bytes) == 1)
        return bytes[0] == 127;
    if (len < 3 || len >= sizeof inner || host[0] != '[')
        return false;
    snprintf(inner, sizeof inner, "%.*s", (int)len - 2, host + 1);
    return inet_pton(AF_INET6, inner, bytes) == 1 && memcmp(bytes, &in6addr_loopback, 16) == 0;
}

struct parts {
    char *scheme, *host, *port, *user, *password, *path, *query, *fragment, *zone;
};

static void parts_done(struct parts *p)
{
    char *all[] = { p->scheme, p->host,  p->port,     p->user, p->password,
                    p->path,   p->query, p->fragment, p->zone };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        curl_free(all[i]);
}

static int take_parts(const char *what, const char *url, const struct parts *p, struct where *to,
                      struct err *err)
{
    bool https = strcmp(p->scheme, "https") == 0;
    const char *path = p->path != NULL ? p->path : "";
    size_t path_len = strlen(path);
    path_len -= path_len > 0 && path[path_len - 1] == '/';
    if (p->user != NULL || p->password != NULL || p->query != NULL || p->fragment != NULL ||
        p->zone != NULL || strchr(path, '%') != NULL)
        return err_set(err, ERR_USAGE,
                       "%s must be scheme, host, port and perhaps a path, such as "
                       "http://127.0.0.1:8642, not \"%.100s\"",
                       what, url);
    bool local = strcmp(p->host, "localhost") == 0;
    to->loopback = local || where_is_loopback(p->host);
    if (!https && !to->loopback)
        return err_set(err, ERR_FORBIDDEN,
                       "%s is http://%.100s: a token goes over plain HTTP to this machine alone "
                       "(127.0.0.1, [::1], localhost); use https, or a tunnel",
                       what, p->host);
    int n = snprintf(to->base, sizeof to->base, "%s://%s:%s%.*s", p->scheme, p->host, p->port,
                     (int)path_len, path);
    if (n < 0 || (size_t)n >= sizeof to->base)
        return err_set(err, ERR_USAGE, "%s is too long", what);
    to->pin[0] = '\0';
    if (local)
        snprintf(to->pin, sizeof to->pin, "localhost:%s:127.0.0.1,[::1]", p->port);
    return 0;
}

int where_take_url(const char *what, const char *url, struct where *to, struct err *err)
{
    struct parts p = { 0 };
    CURLU *parsed = curl_url();
    int status = parsed == NULL ? err_no_memory(err, "the URL") : 0;
    bool fits = parsed != NULL &&
                curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_SCHEME, &p.scheme, 0) == CURLUE_OK &&
                (strcmp(p.scheme, "http") == 0 || strcmp(p.scheme, "https") == 0) &&
                curl_url_get(parsed, CURLUPART_HOST, &p.host, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_PORT, &p.port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (status == 0 && !fits)
        status =
            err_set(err, ERR_USAGE,
                    "%s must be a URL such as http://127.0.0.1:8642 or https://ablate.example, "
                    "not \"%.100s\"",
                    what, url);
    if (status == 0) {
        curl_url_get(parsed, CURLUPART_USER, &p.user, 0);
        curl_url_get(parsed, CURLUPART_PASSWORD, &p.password, 0);
        curl_url_get(parsed, CURLUPART_PATH, &p.path, 0);
        curl_url_get(parsed, CURLUPART_QUERY, &p.query, 0);
        curl_url_get(parsed, CURLUPART_FRAGMENT, &p.fragment, 0);
        curl_url_get(parsed, CURLUPART_ZONEID, &p.zone, 0);
        status = take_parts(what, url, &p, to, err);
    }
    parts_done(&p);
    curl_url_cleanup(parsed);
    return status;
}

static const char *or_environment(const char *given, const char *name)
{
    const char *value = given != NULL ? given : getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int find_by_url(const struct where_options *o, const char *url, struct where *to,
                       struct err *err)
{
    const char *token = getenv("ABLATE_TOKEN");
    int status = where_take_url(o->url != NULL ? "--url" : "ABLATE_URL", url, to, err);
    if (status == 0 && o->token_file != NULL)
        return read_token(o->token_file, to, err);
    if (status == 0 && token != NULL && token[0] != '\0')
        return take_token("ABLATE_TOKEN", token, to, err);
    return status;
}

int where_find(const struct where_options *o, struct where *ret, struct err *err)
{
    struct where to = { 0 };
    if (o->data != NULL && o->url != NULL)
        return err_set(err, ERR_USAGE,
                       "give either --data or --url: each says where the daemon is");
    if (o->data != NULL && o->token_file != NULL)
        return err_set(err, ERR_USAGE,
                       "--token-file goes with --url; --data DIR has its own token");
    const char *url = o->data == NULL ? or_environment(o->url, "ABLATE_URL") : NULL;
    const char *folder = o->url == NULL ? or_environment(o->data, "ABLATE_DATA") : NULL;
    int status = 0;
    if (folder != NULL &&
        (size_t)snprintf(to.folder, sizeof to.folder, "%s", folder) >= sizeof to.folder - 32)
        status = err_set(err, ERR_USAGE, "the data folder's path is too long");
    else if (o->token_file != NULL && url == NULL)
        status = err_set(err, ERR_USAGE, "--token-file goes with --url");
    else if (folder != NULL)
        status = take_folder(&to, err);
    else if (url != NULL)
        status = find_by_url(o, url, &to, err);
    else
        status =
            err_set(err, ERR_USAGE,
                    "which daemon? Give --data DIR (or ABLATE_DATA), its data folder, or --url "
                    "URL with --token-file FILE or ABLATE_TOKEN");
    if (status == 0)
        *ret = to;
    return status;
}
