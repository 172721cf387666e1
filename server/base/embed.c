/* Looking up a file by bisection: deploy/embed.sh sorts the table by path. */
#include "server/base/embed.h"

#include "common/base/digest.h"

#include <stdio.h>
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

const char *embed_tag(const struct embedded *file)
{
    enum { TAG_BYTES = 20 };
    static char(*tags)[TAG_BYTES]; /* each computed once */
    char hex[DIGEST_HEX];
    if (tags == NULL && (tags = calloc(embedded_n, sizeof *tags)) == NULL)
        return "";
    char *tag = tags[file - embedded];
    if (tag[0] == '\0') {
        digest_of_hex(file->data, file->len, hex);
        snprintf(tag, TAG_BYTES, "\"%.16s\"", hex);
    }
    return tag;
}
