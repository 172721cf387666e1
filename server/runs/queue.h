/* queue: which runs to start now. Pure: no I/O, no clock, no state. */
#ifndef ABLATE_SERVER_QUEUE_H
#define ABLATE_SERVER_QUEUE_H

#include "server/store/runs/store_attempts.h"

struct queue_limits {
    int64_t slots;        /* runs at a time */
    int64_t memory_bytes; /* that their estimates may add up to */
    bool paused;
};
struct queue_load {
    int64_t running, memory_bytes;
    bool exclusive; /* an exclusive run is among the running */
};
/* Chooses from candidates (by priority, then age) those to claim, in order; writes their indices to
 * ret[] and returns how many. Strict order: a candidate that doesn't fit holds back those behind
 * it, so that a big run is never starved by small ones. An exclusive run waits for an empty machine
 * and keeps it to itself. */
size_t queue_choose(const struct queue_limits *limits, const struct queue_load *load,
                    const struct queued_run *candidates, size_t n, size_t *ret);

#endif
