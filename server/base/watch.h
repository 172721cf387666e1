/* watch: whether the loop turns, and what takes it long.
 *
 * Whatever the daemon is asked, is told or has to do passes through one loop on one thread, so
 * nothing on it may take long. Each turn is measured, without the time that it slept, and so is
 * each part of one that is marked. A second thread asks the loop for a sign every second. A loop
 * that owes one for stall_ms stands still: that is logged, with the part that it is in, and
 * counted. Time in which the process itself didn't run (SIGSTOP, a machine that slept) is not held
 * against the loop.
 *
 * Marks and figures belong to the process, which has one loop.
 */
#ifndef ABLATE_SERVER_WATCH_H
#define ABLATE_SERVER_WATCH_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct watch;
struct uv_loop_s;

struct watch_config {
    int64_t stall_ms;         /* ≥ 30; the loop is asked for a sign three times as often */
    void (*turns)(void *arg); /* the watching thread: the loop has given its sign */
    /* The watching thread, ten times a second: it has owed one for so long. */
    void (*stands)(double seconds, void *arg);
    void *arg;
};

/* Begins to watch a loop that isn't running yet. Errors: NO_MEMORY, INTERNAL. */
int watch_new(struct uv_loop_s *loop, const struct watch_config *config, struct watch **ret,
              struct err *err);
/* Ends the thread and gives the loop its handles back; watch frees itself. NULL is accepted. */
void watch_close(struct watch *watch);

/* Loop thread: from here on it is at `step` of `of` (both static), until the mark is given back.
 * Marks nest; the time of an inner part counts for the outer one, too. */
struct watch_mark {
    const char *step, *of; /* where it was before */
    uint64_t begun_ns;
};
struct watch_mark watch_enter(const char *step, const char *of);
void watch_leave(struct watch_mark mark);

enum { WATCH_BOUNDS = 9, WATCH_PLACES = 128, WATCH_LONG_MS = 5 };
extern const double watch_bounds_s[WATCH_BOUNDS];

struct watch_place {
    const char *step, *of;
    double longest_s;
};

struct watch_figures {
    uint64_t turns, within[WATCH_BOUNDS]; /* turns that took at most as long as the bound */
    double busy_s, longest_s;
    double longest_cpu_s; /* the most that a turn has computed: a busy machine makes turns wait */
    uint64_t long_turns;  /* turns that computed for more than WATCH_LONG_MS */
    uint64_t stalls;      /* also the one that lasts */
    double stall_s;       /* how long the last one that is over took */
    int64_t stall_end_ms; /* and when it ended, by the wall clock; 0 = there was none */
};

/* Loop thread. Places: those that were ever marked, in no order; returns how many. */
void watch_figures(struct watch_figures *ret);
size_t watch_places(const struct watch_place **ret);

#endif
