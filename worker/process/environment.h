/* environment: what an attempt ran on: whatever could change a bit, and what a reader wants to
 * know. */
#ifndef ABLATE_WORKER_ENVIRONMENT_H
#define ABLATE_WORKER_ENVIRONMENT_H

#include "common/base/digest.h"

#include <jansson.h>

struct environment {
    char binary[DIGEST_HEX]; /* SHA-256 of the program */
    char blas_settings[100]; /* "OPENBLAS_L2_SIZE=256", where that is set */
    char digest[DIGEST_HEX]; /* of binary, BLAS core, its settings and code path: equal ones give
                                equal bits */
};
/* Errors: STORAGE; NO_MEMORY, INTERNAL when BLAS can't be loaded. */
int environment_get(struct environment *ret, struct err *err);
/* The environment of a started event. New reference. */
json_t *environment_json(const struct environment *environment, int threads);

#endif
