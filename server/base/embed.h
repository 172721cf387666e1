/* embed: files that are part of the program: the schema, the presets, the page. Made by
 * deploy/embed.sh. */
#ifndef ABLATE_SERVER_EMBED_H
#define ABLATE_SERVER_EMBED_H

#include <stddef.h>

struct embedded {
    const char *path; /* "schema/migrations/0001_init.sql", "web/index.html"; sorted */
    const char *data;
    size_t len;
};
extern const struct embedded embedded[];
extern const size_t embedded_n;

/* NULL when there is no such file. */
const struct embedded *embed_find(const char *path);
/* The entity tag of its content, quoted; "" when memory runs out. Loop thread. */
const char *embed_tag(const struct embedded *file);

#endif
