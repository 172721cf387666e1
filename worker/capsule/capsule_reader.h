/* capsule: reading a capsule and checking it (layout: common/wire/capsule_layout.h).
 *
 *   capsule.c  the archive and its manifest    capsule_run.c  a run's files    capsule_check.c what
 *   the files say
 *
 * Nothing in it is trusted and nothing is unpacked. Opening reads it once from end to end: the
 * archive is one of plain files with harmless paths below one folder (tar.h), and the manifest at
 * its end names each of them, with its bytes and its digest, and nothing else. Then capsule_check
 * looks at what the files say: that documents can be read and agree with each other, and that each
 * run's digest follows from its specification.
 */
#ifndef ABLATE_WORKER_CAPSULE_READER_H
#define ABLATE_WORKER_CAPSULE_READER_H

#include "common/base/digest.h"
#include "common/spec/spec.h"
#include "common/wire/capsule_layout.h"
#include "common/wire/tar.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CAPSULE_TEXT_MAX = 1 << 28, /* bytes of a document that is read into memory */
    CAPSULE_LINE_MAX = 512      /* of metrics.csv */
};

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
/* Errors: BAD_DATA, which names the file. */
int capsule_check(struct capsule *capsule, struct err *err);
/* Prints what a checked capsule is. */
void capsule_tell(const struct capsule *capsule);

/* NULL when there is none. */
const struct capsule_file *capsule_find(const struct capsule *capsule, const char *path);
/* A file as JSON; *ret is the caller's. Errors: BAD_DATA, STORAGE, TOO_LARGE. */
int capsule_json(const struct capsule *capsule, const char *path, json_t **ret, struct err *err);
/* BAD_DATA with the file's path before what err says. */
int capsule_blame(struct err *err, const char *path);

/* A run's files: runs/ID/name. */
void capsule_run_path(char ret[TAR_PATH_BYTES], int64_t run, const char *name);
struct capsule_run {
    int64_t id;
    json_t *json; /* run.json; owned */
    struct run_spec spec;
    const char *corpus; /* its digest, within spec; "" = a synthetic task */
};
/* Errors: NOT_FOUND (no such run), BAD_DATA (spec.json or run.json isn't sound, or they contradict
 * each other). */
int capsule_run_read(const struct capsule *capsule, int64_t id, struct capsule_run *ret,
                     struct err *err);
void capsule_run_done(struct capsule_run *run);
/* Every row of metrics.csv; each returns 0 or an error, which ends it. Errors: BAD_DATA (not a
 * table, not by metric, then step), STORAGE. */
int capsule_metrics(const struct capsule *capsule, int64_t run,
                    int (*each)(void *arg, const char *metric, int64_t step, double value,
                                struct err *err),
                    void *arg, struct err *err);

#endif
