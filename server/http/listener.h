/* listener: the socket on which HTTP is served. It takes its port early, so that a start whose port
 * is taken is refused before anything is made or migrated, and takes connections only when they
 * can be answered. */
#ifndef ABLATE_SERVER_LISTENER_H
#define ABLATE_SERVER_LISTENER_H

#include "common/base/err.h"

/* Binds to host:port (port 0: a free one); *ret is the caller's to close. Errors: RUNNING when it
 * is taken, USAGE. */
int listener_bind(const char *host, int port, int *ret, struct err *err);
/* Lets connections in. *ret_port: the one that was bound. Errors: as above. */
int listener_open(int fd, int *ret_port, struct err *err);

#endif
