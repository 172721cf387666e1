/* Matching a path against the table segment by segment; every row is looked at, since a path that
 * is there with other methods is answered with 405 and the list of them. */
#include "server/http/route.h"

#include "server/base/options.h"
#include "server/http/assets.h"
#include "server/http/exchange/state.h"

#include <stdio.h>
#include <string.h>

enum { ALLOW_BYTES = 64, DEPTH = 8 };

/* Segments of a path, as places and lengths. */
struct segments {
    const char *at[DEPTH];
    size_t len[DEPTH], n;
};

static bool cut(const char *path, struct segments *ret)
{
    *ret = (struct segments){ 0 };
    while (*path == '/') {
        if (ret->n == DEPTH)
            return false;
        ret->at[ret->n] = ++path;
        ret->len[ret->n] = strcspn(path, "/");
        path += ret->len[ret->n++];
    }
    return true;
}

static bool fits(const struct segments *pattern, const struct segments *path)
{
    if (pattern->n != path->n)
        return false;
    for (size_t i = 0; i < path->n; i++)
        if (pattern->at[i][0] == '{' ? path->len[i] == 0
                                     : pattern->len[i] != path->len[i] ||
                                           memcmp(pattern->at[i], path->at[i], path->len[i]) != 0)
            return false;
    return true;
}

static void allow(char *list, const char *method)
{
    size_t used = strlen(list);
    snprintf(list + used, ALLOW_BYTES - used, "%s%s%s", used > 0 ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

const struct endpoint *route_match(const struct endpoint *table, const char *method, char *path,
                                   const char *params[ENDPOINT_PARAMS], char *ret_allow)
{
    struct segments asked, pattern = { 0 };
    const struct endpoint *found = NULL;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    ret_allow[0] = '\0';
    if (!cut(path, &asked))
        return NULL;
    for (const struct endpoint *row = table; row->path != NULL; row++) {
        struct segments candidate;
        if (!cut(row->path, &candidate) || !fits(&candidate, &asked))
            continue;
        allow(ret_allow, row->method);
        if (strcmp(row->method, wanted) == 0) {
            found = row;
            pattern = candidate;
        }
    }
    for (size_t i = 0, p = 0; found != NULL && i < asked.n && p < ENDPOINT_PARAMS; i++)
        if (pattern.at[i][0] == '{') {
            path[asked.at[i] - path + (ptrdiff_t)asked.len[i]] = '\0';
            params[p++] = asked.at[i];
        }
    return found;
}

int route_other(struct exchange *x, const char *allowed, struct err *err)
{
    reply_header(&x->reply, "Allow", "%s, OPTIONS", allowed);
    if (strcmp(x->method, "OPTIONS") != 0)
        return err_set(err, ERR_METHOD_NOT_ALLOWED,
                       "%s isn't allowed at %.200s; allowed are %s, OPTIONS", x->method, x->path,
                       allowed);
    x->reply.status = 204;
    x->state = EXCHANGE_READY;
    return 0;
}

/* Addresses of the page are relative: it must be asked for with the slash. */
static int send_below(struct exchange *x, const char *path)
{
    reply_header(&x->reply, "Location", "%s/", path);
    x->reply.status = 308;
    x->state = EXCHANGE_READY;
    return 0;
}

int route_find(struct exchange *x, struct err *err)
{
    char allowed[ALLOW_BYTES] = "GET, HEAD, POST, PUT, PATCH, DELETE";
    bool asks = strcmp(x->method, "OPTIONS") == 0, any = strcmp(x->path, "*") == 0;
    const char *below = x->req.app->options->public_path;
    if (below[0] != '\0' && strcmp(x->path, below) == 0)
        return send_below(x, below);
    int status = assets_find(x, err);
    if (status != 0 || x->state == EXCHANGE_READY)
        return status;
    if (!any)
        x->req.endpoint = route_match(routes, x->method, x->path, x->req.params, allowed);
    if (x->req.endpoint != NULL)
        return 0;
    if (allowed[0] == '\0' || (any && !asks))
        return err_set(err, ERR_NOT_FOUND, "there is nothing at %.200s", x->path);
    return route_other(x, allowed, err);
}
