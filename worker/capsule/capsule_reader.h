/* capsule_reader: a capsule, opened: its files, found by path (layout:
 * common/wire/capsule_layout.h).
 *
 * Nothing in it is trusted and nothing is unpacked. Opening reads it once from end to end: the
 * archive is one of plain files with harmless paths below one folder (tar.h), and the manifest at
 * its end names each of them, with its bytes and its digest, and nothing else. What the files say
 * is looked at afterwards (capsule_check.h).
 */
#ifndef ABLATE_WORKER_CAPSULE_READER_H
#define ABLATE_WORKER_CAPSULE_READER_H

#include "common/base/digest.h"
#include "common/wire/capsule_layout.h"
#include "common/wire/tar.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { CAPSULE_TEXT_MAX = 1 << 28 }; /* bytes of a document that is read into memory */

struct capsule_file {
    char path[TAR_PATH_BYTES - CAPSULE_FOLDER_BYTES]; /* below the folder */
    int64_t offset, bytes;
    char sha256[DIGEST_HEX];
};

struct capsule {
    struct tar_reader tar;
    char folder[CAPSULE_FOLDER_BYTES];
    struct capsule_file *files; /* owned; in the archive's order */
    size_t n, size;
    json_t *index;    /* path → number of the file; owned */
    json_t *manifest; /* owned */
    char digest[DIGEST_HEX];
    bool partial;
    /* filled by capsule_check */
    json_t *experiment, *datasets; /* owned */
    int64_t runs, values;
};

/* Errors: NOT_FOUND, STORAGE, BAD_DATA, which names the file. */
int capsule_open(const char *path, struct capsule *ret, struct err *err);
void capsule_done(struct capsule *capsule);
/* NULL when there is none. */
const struct capsule_file *capsule_find(const struct capsule *capsule, const char *path);
/* A file as JSON; *ret is the caller's. Errors: BAD_DATA, STORAGE, TOO_LARGE. */
int capsule_json(const struct capsule *capsule, const char *path, json_t **ret, struct err *err);
/* BAD_DATA with the file's path before what err says. */
int capsule_blame(struct err *err, const char *path);

#endif
