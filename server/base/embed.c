/* Looking up a file by bisection: deploy/embed.sh sorts the table by path. */
#include "server/base/embed.h"

#include <stdlib.h>
#include <string.h>

static int by_path(const void *key, const void *row)
{
    return strcmp(key, ((const struct embedded *)row)->path);
}

const struct embedded *embed_find(const char *path)
{
    return bsearch(path, embedded, embedded_n, sizeof *embedded, by_path);
}
