/* handed: the windows that evaluations are handed, and the digest of them that the daemon compares
 * runs by (schema/wire.md): SHA-256 of their token ids, those of the last validation, then those of
 * the test. Whatever is evaluated comes through here, so that the digest is of what was looked at.
 */
#ifndef ABLATE_WORKER_HANDED_H
#define ABLATE_WORKER_HANDED_H

#include "worker/data/data.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handed {
    const struct data *data; /* borrowed */
    size_t batch;            /* windows at a time */
    struct digest digest;
    bool whole[CORPUS_PARTS]; /* all of the part's windows are in it */
};

struct handed handed_of(const struct data *data);
/* The next windows of val or test, from number i on, at most a batch, into ret; returns how many.
 * The first of val begin the digest anew. */
size_t handed_next(struct handed *handed, enum corpus_part part, size_t i, int32_t *ret);
/* Adds the windows of a part that no evaluation was handed, if it wasn't: val before the test is.
 * windows: scratch of a batch. */
void handed_fill(struct handed *handed, enum corpus_part part, int32_t *windows);
/* Once. */
void handed_end(struct handed *handed, char ret[DIGEST_HEX]);

#endif
