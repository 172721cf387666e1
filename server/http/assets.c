#include "server/http/assets.h"

#include "common/digest.h"
#include "server/embed.h"
#include "server/http/exchange.h"

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

int assets_find(struct exchange *x, const char *method, struct err *err)
{
    char name[300], tag[DIGEST_HEX];
    snprintf(name, sizeof name, "web%s", strcmp(x->path, "/") == 0 ? "/index.html" : x->path);
    const struct embedded *file = type_of(name) != NULL ? embed_find(name) : NULL;
    if (file == NULL)
        return 0;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        reply_header(&x->reply, "Allow", "GET, HEAD");
        return err_set(err, ERR_METHOD_NOT_ALLOWED, "%.20s isn't allowed at %.200s", method,
                       x->path);
    }
    digest_of_hex(file->data, file->len, tag);
    x->reply.content_type = type_of(name);
    reply_header(&x->reply, "ETag", "\"%.16s\"", tag);
    reply_header(&x->reply, "Cache-Control", "no-cache");
    const char *known =
        MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "If-None-Match");
    if (known != NULL && strstr(known, x->reply.headers[0].value) != NULL)
        x->reply.status = 304;
    else
        buf_add(&x->reply.body, file->data, file->len);
    x->state = EXCHANGE_READY;
    return 0;
}
