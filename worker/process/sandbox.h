/* sandbox: what a trainer may still do once it has read what it is to train.
 *
 * A specification and a corpus come from outside, and the trainer is the process that works on
 * them. Before it starts it gives up, for itself and every thread to come:
 *   files    (Landlock) all but these: read and write below its attempt's and its run's folders,
 *            read its corpus, its own program and what the kernel tells of the machine;
 *   network  (seccomp) every socket, Unix ones too: its keeper makes the one connection that it
 *            needs (door.h); Landlock too, where it knows of TCP and of abstract sockets;
 *   the rest (seccomp) every system call that training doesn't need: no other program is started,
 *            no process traced or signalled, nothing mounted; memory that its limit doesn't count
 *            (shared, or growing as a stack does); and, sealed, threads beyond those that it has.
 * A refused call fails with EPERM or EACCES and the trainer's errors say so
 * (common/base/confine.h).
 */
#ifndef ABLATE_WORKER_SANDBOX_H
#define ABLATE_WORKER_SANDBOX_H

#include "common/base/err.h"

#include <stddef.h>

struct sandbox {
    const char *const *writable; /* folders, NULL at the end */
    const char *const *readable; /* files and folders, NULL at the end; "" is passed over */
};

/* Enters it: there is no way back. said[size] gets a sentence for the log: what holds, and what the
 * kernel lacks. A kernel that lacks one of the two isn't an error. Errors: INTERNAL, STORAGE (a
 * folder can't be opened). */
int sandbox_enter(const struct sandbox *sandbox, char *said, size_t size, struct err *err);
/* Once all threads are there: none can be made any more. Holds for each of them. Nothing to do
 * where the kernel has no filters. Errors: INTERNAL. */
int sandbox_seal(struct err *err);

#endif
