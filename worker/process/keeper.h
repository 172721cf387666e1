/* keeper: the parent of a trainer. It does no work of its own but to hand it connections to the
 * daemon (door.h), so that it survives its child and can say how it ended. */
#ifndef ABLATE_WORKER_KEEPER_H
#define ABLATE_WORKER_KEEPER_H

#include "common/base/err.h"

/* Runs the attempt whose folder holds launch.json: takes the lock, sends output to log.txt, sets
 * limits, starts the trainer (argv0 attempt --dir DIR --door FD), waits, and writes exit.json
 * durably. Errors: RUNNING when the attempt's lock is held, CONFLICT when it has been kept or
 * settled before, BAD_DATA, STORAGE. */
int keeper_run(const char *attempt_dir, struct err *err);

#endif
