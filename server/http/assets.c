/* A file of the page is found by its path with web/ before it, and sent whole with an entity tag;
 * packed, which was done when the daemon was built, to those who take it.
 *
 * The page names its files below /page/DIGEST/, where DIGEST is of all of them (deploy/pack.sh): what
 * has that name never changes, and browsers keep it. Modules import each other by relative paths, so
 * that they lie there, too. A digest a file would let more of them be kept through an upgrade, but
 * modules would have to be rewritten in the order of their imports, which may be circular. Under
 * their plain names files are asked for again each time, and so is the page itself. */
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

/* The path behind /page/DIGEST, or NULL. */
static const char *behind_digest(const char *path)
{
    enum { DIGEST = 16 };
    static const char before[] = "/page/";
    const struct embedded *digest = embed_find("web/digest");
    size_t len = sizeof before - 1;
    bool is_named = digest != NULL && digest->len > DIGEST && strncmp(path, before, len) == 0 &&
                    strncmp(path + len, digest->data, DIGEST) == 0 && path[len + DIGEST] == '/';
    return is_named ? path + len + DIGEST : NULL;
}

static void answer(struct exchange *x, const char *name, const struct embedded *file, bool stays)
{
    char packed_name[320];
    snprintf(packed_name, sizeof packed_name, "%s.gz", name);
    const struct embedded *packed = x->req.gzip ? embed_find(packed_name) : NULL;
    const char *tag = embed_tag(file);
    x->reply.content_type = type_of(name);
    reply_header(&x->reply, "ETag", "%s", tag);
    reply_header(&x->reply, "Cache-Control",
                 stays ? "public, max-age=31536000, immutable" : "no-cache");
    if (reply_tag_known(x->req.if_none_match, tag)) {
        x->reply.status = 304;
    } else if (packed != NULL && packed->len < file->len) {
        buf_add(&x->reply.body, packed->data, packed->len);
        x->reply.gzip = true;
    } else {
        buf_add(&x->reply.body, file->data, file->len);
    }
}

int assets_find(struct exchange *x, struct err *err)
{
    char name[300];
    const char *named = behind_digest(x->path), *path = named != NULL ? named : x->path;
    snprintf(name, sizeof name, "web%s", strcmp(path, "/") == 0 ? "/index.html" : path);
    const struct embedded *file = type_of(name) != NULL ? embed_find(name) : NULL;
    if (file == NULL)
        return 0;
    if (strcmp(x->method, "GET") != 0 && !x->head)
        return route_other(x, "GET, HEAD", err);
    answer(x, name, file, named != NULL);
    x->state = EXCHANGE_READY;
    return 0;
}
