/* init: the first process of a container.
 *
 * To it come the orphans of all others: a trainer whose keeper was killed, for one. Whoever doesn't
 * wait for them keeps each as a zombie. The daemon waits for the children that it knows alone, so
 * as process 1 it stands aside: it goes on as a child, and process 1 only hands signals to it,
 * waits for whatever ends, and ends with the daemon's status. Rejected: reaping in the daemon,
 * which would take from libuv the children whose end it waits for.
 */
#ifndef ABLATE_SERVER_INIT_H
#define ABLATE_SERVER_INIT_H

#include "common/base/err.h"

/* Nothing unless the caller is process 1; then it returns in a child, and never in process 1.
 * To be called before there are threads. Errors: INTERNAL (there can be no child). */
int init_stand_aside(struct err *err);

#endif
