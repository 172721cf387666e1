/* link: the worker's end of the daemon's socket; belongs to the I/O thread.
 *
 * The link asks the keeper for a connection (door.h), says hello, learns from `welcome` which lines
 * the daemon has, and streams the events file from the line after them. When the connection breaks
 * it asks again, after growing pauses (0.1 to 5 s).
 */
#ifndef ABLATE_WORKER_LINK_H
#define ABLATE_WORKER_LINK_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/wire/wire.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { LINK_HEARTBEAT_MS = 5000 };

struct link {
    struct wire_hello hello;
    int file;   /* the events file, for reading; -1 = disabled */
    int door;   /* to the keeper; the caller's */
    bool asked; /* the keeper hasn't answered yet */
    int64_t asked_ms;
    int fd; /* the connection; -1 = none */
    bool welcomed;
    int64_t offset; /* of the file: what comes next */
    bool mid_line;  /* what went out last was the beginning of a line */
    struct buf out, in;
    int64_t next_try_ms, pause_ms, beat_ms;
    _Atomic uint64_t acked;
    char reason[200];
};

/* Without a file or a door (0) it is disabled. Errors: STORAGE; link_done is due all the same. */
int link_init(struct link *link, const char *file, int door, const struct wire_hello *hello,
              struct err *err);
void link_done(struct link *link);
bool link_enabled(const struct link *link);
uint64_t link_acked(struct link *link);
/* Does what can be done without waiting. Returns the reason once the daemon has said stop, else
 * NULL. */
const char *link_turn(struct link *link);
/* What to poll for, and for how many milliseconds at most. */
int64_t link_poll(const struct link *link, struct pollfd *ret);

#endif
