/* door: how a trainer, which may make no sockets (sandbox.h), comes by a connection to the daemon.
 *
 * Keeper and trainer have an end each of a pair of sockets. The trainer asks, a byte; its keeper
 * connects to the one address it knows, and answers with a byte and the connection, or without one
 * when nobody listens there. So whatever a trainer makes of what it works on, it reaches the daemon
 * and nobody else.
 *
 * The keeper trusts its trainer with nothing: it never waits for it, takes no descriptors from it,
 * and answers at most every DOOR_PAUSE_MS; an answer for which there is no room is dropped. A
 * trainer has one connection: before it gets another, its keeper shuts the one before down.
 */
#ifndef ABLATE_WORKER_DOOR_H
#define ABLATE_WORKER_DOOR_H

#include "common/base/err.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

enum { DOOR_PAUSE_MS = 100 };

/* The keeper's end. */
struct door {
    int fd;    /* -1 = closed */
    int given; /* the last connection; -1 = none */
    struct sockaddr_un address;
    int64_t open_at_ms;
};

/* Makes both ends; *ret_trainer's is closed by exec unless told otherwise. Errors: USAGE when the
 * path is too long for a socket, INTERNAL. */
int door_init(struct door *door, const char *path, int *ret_trainer, struct err *err);
void door_done(struct door *door);
/* What to poll for, and for how many milliseconds at most; -1 = as long as you like. */
int64_t door_poll(const struct door *door, struct pollfd *ret);
/* Answers what was asked, if anything was. */
void door_answer(struct door *door);

/* The trainer's end. Neither waits. */

enum { DOOR_WAIT = -1, DOOR_REFUSED = -2 };
/* False when it is closed. */
bool door_ask(int trainer);
/* The connection (the caller's, non-blocking), or one of the above. */
int door_take(int trainer);

#endif
