/* init: the first process of a container.
 *
 * Orphans become its children: a trainer whose keeper was killed, for one. Each stays a zombie
 * until process 1 waits for it, and the daemon waits only for the children that it knows. So as
 * process 1 it stands aside: it goes on as a child, and process 1 only hands signals to it, waits
 * for whatever ends, and ends with the daemon's status. Rejected: reaping in the daemon, which
 * would take from libuv the children whose end it waits for.
 */
#ifndef ABLATE_SERVER_INIT_H
#define ABLATE_SERVER_INIT_H

#include "common/base/err.h"

/* Nothing unless the caller is process 1; then it returns in a child, and never in process 1.
 * To be called before there are threads. Errors: INTERNAL (there can be no child). */
int init_stand_aside(struct err *err);

#endif
