/* follow: the event stream across cut connections and restarts of the daemon, and Ctrl-C.
 *
 * The stream is asked for again behind the last event that was taken (Last-Event-ID), so that none
 * is missed and none comes twice; where the folder is known, the address is read anew, since a
 * daemon that has started again may be elsewhere. A refusal that trying again doesn't mend ends it.
 */
#ifndef ABLATE_CLIENT_FOLLOW_H
#define ABLATE_CLIENT_FOLLOW_H

#include "server/client/command.h"

struct follow {
    struct call *call;
    const char *path; /* of the stream, with what it is filtered by */
    int64_t after;    /* the event behind which to begin; then the last one that was taken */
    /* One event; data is its JSON, borrowed. What isn't 0 ends the following. "resync": what was
     * between isn't kept, so all is to be fetched again. */
    int (*take)(void *arg, int64_t id, const char *name, const json_t *data);
    void (*tick)(void *arg); /* about ten times a second; may be NULL */
    void *arg;
};

/* Returns 0 when take has ended it, or Ctrl-C has (follow_interrupted). Errors: those of http_call,
 * UNAVAILABLE once no daemon has answered for --patience seconds. */
int follow_events(struct follow *follow, struct err *err);

/* Takes Ctrl-C (and SIGTERM) from now on, instead of dying of it. */
void follow_catch(void);
bool follow_interrupted(void);
/* Whether an error may pass by itself, and waits for a moment then, longer each time. *begun_ms is
 * when the trouble began (0: it begins now; the first time it is told). False: the error stands, or
 * Ctrl-C. */
bool follow_wait(struct call *call, int status, const struct err *why, int64_t *begun_ms);

#endif
