/* events: server-sent events taken apart (the HTML standard, "interpreting an event stream"), as far
 * as the daemon makes them: id, event and data, comments ignored. A part may be cut anywhere.
 */
#ifndef ABLATE_CLIENT_SSE_H
#define ABLATE_CLIENT_SSE_H

#include "common/base/buf.h"

#include <stdint.h>

enum { EVENTS_LINE = 16 << 20 };

struct events {
    struct buf line, data;
    char name[32]; /* of the event that comes */
    int64_t next;  /* its id; -1 = none was given */
    int64_t last;  /* the id of the last one that was given out, for Last-Event-ID; -1 = none */
    int (*take)(void *arg, const char *name, const char *data, size_t len);
    void *arg;
};

/* take is given each event; what isn't 0 ends the reading. */
void events_init(struct events *events,
                 int (*take)(void *arg, const char *name, const char *data, size_t len), void *arg);
void events_done(struct events *events);
/* Forgets what is half there: the stream begins anew. */
void events_again(struct events *events);
/* Returns what take did, 0; or -1 when a line or an event has no end. */
int events_feed(struct events *events, const char *bytes, size_t len);

#endif
