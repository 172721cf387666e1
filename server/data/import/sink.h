/* sink: writes the documents, and takes back what turns out to be none; a part of an import
 * (import.c). */
#ifndef ABLATE_SERVER_SINK_H
#define ABLATE_SERVER_SINK_H

#include "common/base/digest.h"
#include "server/data/datadir.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>

struct copies;

enum { SINK_BYTES = 65536 };
/* A place in what was written; what came after it can be taken back. */
struct sink_mark {
    int64_t at; /* in the text */
    struct digest digest;
    bool visible;
};
struct sink {
    char dir[PATH_MAX]; /* where the corpus grows; "" = it was taken */
    int fd;             /* text */
    FILE *index;
    char bytes[SINK_BYTES];
    size_t held;          /* bytes that aren't written yet; in the end, that were read */
    size_t read_at;       /* of those */
    int64_t start;        /* where the document at hand begins */
    struct sink_mark now; /* the end of what was added */
    struct copies *copies;
    bool keeps_unseen; /* in: documents without a visible character stay */
    int64_t documents, duplicates, unseen, visible;
};
int sink_open(struct sink *sink, const struct datadir *datadir, struct err *err);
/* To the document at hand. */
int sink_add(struct sink *sink, const char *bytes, size_t n, struct err *err);
int sink_rollback(struct sink *sink, const struct sink_mark *to, struct err *err);
/* The document at hand is whole: it stays, or goes as a copy or as nothing visible. */
int sink_end(struct sink *sink, struct err *err);
/* All of them are here: digest and families. */
int sink_complete(struct sink *sink, const atomic_bool *stop, char ret_digest[DIGEST_HEX],
                  struct err *err);
/* The folder is the caller's from now on; its name, without the way there. */
void sink_take(struct sink *sink, char *ret_name, size_t size);
void sink_done(struct sink *sink);

#endif
