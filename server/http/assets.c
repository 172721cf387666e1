/* A file of the page is found by its path with web/ before it, and sent whole with an entity tag.
 * */
#include "server/http/assets.h"

#include "server/base/embed.h"
#include "server/http/exchange/state.h"
#include "server/http/route.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *ending, *type;
} types[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".svg", "image/svg+xml" },
};

static const char *type_of(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t ending = strlen(types[i].ending);
        if (len > ending && strcmp(path + len - ending, types[i].ending) == 0)
            return types[i].type;
    }
    return NULL;
}

int assets_find(struct exchange *x, struct err *err)
{
    char name[300];
    snprintf(name, sizeof name, "web%s", strcmp(x->path, "/") == 0 ? "/index.html" : x->path);
    const struct embedded *file = type_of(name) != NULL ? embed_find(name) : NULL;
    if (file == NULL)
        return 0;
    if (strcmp(x->method, "GET") != 0 && !x->head)
        return route_other(x, "GET, HEAD", err);
    const char *tag = embed_tag(file), *known = exchange_header(x, "If-None-Match");
    x->reply.content_type = type_of(name);
    reply_header(&x->reply, "ETag", "%s", tag);
    reply_header(&x->reply, "Cache-Control", "no-cache");
    if (known != NULL && (strstr(known, tag) != NULL || strcmp(known, "*") == 0))
        x->reply.status = 304;
    else
        buf_add(&x->reply.body, file->data, file->len);
    x->state = EXCHANGE_READY;
    return 0;
}
