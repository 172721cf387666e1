/* capsule_check: what the files of a capsule say: that documents can be read and agree with each
 * other, and that each run's digest follows from its specification. */
#ifndef ABLATE_WORKER_CAPSULE_CHECK_H
#define ABLATE_WORKER_CAPSULE_CHECK_H

#include "worker/capsule/capsule_reader.h"

/* Errors: BAD_DATA, which names the file. */
int capsule_check(struct capsule *capsule, struct err *err);
/* Prints what a checked capsule is. */
void capsule_tell(const struct capsule *capsule);

#endif
