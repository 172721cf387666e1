/* capsule_archive: the archive of a capsule as it grows, and its manifest (common/wire/capsule_layout.h).
 */
#ifndef ABLATE_SERVER_CAPSULE_ARCHIVE_H
#define ABLATE_SERVER_CAPSULE_ARCHIVE_H

#include "common/base/buf.h"
#include "common/wire/capsule_layout.h"
#include "common/wire/tar.h"

#include <jansson.h>

struct capsule_archive {
    struct tar_writer tar;
    char folder[CAPSULE_FOLDER_BYTES];
    char path[TAR_PATH_BYTES]; /* of the file that is open, below the folder */
    json_t *files;             /* of the manifest; owned */
    struct buf sums;           /* SHA256SUMS */
    char digest[DIGEST_HEX];   /* the capsule's, once it is finished */
};

/* file: borrowed, empty, can seek. folder: NAME-ID. */
void capsule_archive_init(struct capsule_archive *archive, FILE *file, const char *folder);
void capsule_archive_done(struct capsule_archive *archive);

/* A file in parts: open, add … (tar_add), close. Errors of all: those of tar.h. */
int capsule_open(struct capsule_archive *archive, const char *path, struct err *err);
int capsule_add(struct capsule_archive *archive, const void *bytes, size_t len, struct err *err);
int capsule_close(struct capsule_archive *archive, struct err *err);
/* A file at once. text may have failed: NO_MEMORY. */
int capsule_put(struct capsule_archive *archive, const char *path, const struct buf *text,
                struct err *err);
int capsule_put_json(struct capsule_archive *archive, const char *path, const json_t *value,
                     struct err *err);
/* Adds SHA256SUMS and the manifest: `about` with format, digest and files. Ends the archive. */
int capsule_finish(struct capsule_archive *archive, json_t *take_about, struct err *err);

#endif
