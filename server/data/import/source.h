/* source: the upload, read in pieces of whole characters, and checked; a part of an import
 * (import.c). */
#ifndef ABLATE_SERVER_SOURCE_H
#define ABLATE_SERVER_SOURCE_H

#include "common/base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A part that is handed pieces. A status other than 0 ends the pass with it. */
struct taker {
    int (*take)(void *self, const char *bytes, size_t n, struct err *err);
    void *self;
};

struct source {
    int fd;
    const atomic_bool *stop;
    int64_t lf, cr; /* so many of them in the last pass */
};
/* Errors: BAD_CORPUS (there is no byte), STORAGE. */
int source_open(struct source *source, const char *path, struct err *err);
/* One pass from the beginning. to may be NULL: only checks. */
int source_read(struct source *source, const struct taker *to, struct err *err);
void source_done(struct source *source);

#endif
