/* linger: closing so that the last reply is read.
 *
 * A socket that is closed while its peer still sends answers with a reset, and a reset discards the
 * reply that the peer hasn't read yet. So the descriptor is duplicated before microhttpd closes its
 * own: we say that we are done, read and forget what comes, a megabyte at most, and close when the
 * peer has, or after ten seconds.
 */
#ifndef ABLATE_SERVER_LINGER_H
#define ABLATE_SERVER_LINGER_H

#include <stddef.h>
#include <uv.h>

struct lingering {
    uv_loop_t *loop; /* NULL: nothing lingers any more */
    struct linger_one *first;
    size_t n;
};

/* The descriptor stays the caller's. Of more than 64 the oldest ends; without memory nothing
 * lingers. */
void linger_begin(struct lingering *lingering, int fd);
void linger_end_all(struct lingering *lingering);

#endif
