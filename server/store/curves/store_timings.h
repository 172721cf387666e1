/* store_timings: what disturbed the clocks of runs. That another run went on at the same time
 * follows from the attempts' start and end; the rest is what trainers told (schema/wire.md). */
#ifndef ABLATE_SERVER_STORE_TIMINGS_H
#define ABLATE_SERVER_STORE_TIMINGS_H

#include "server/store/store.h"

struct timing_row {
    int64_t run;
    int64_t ms;         /* of the attempts that its rows come from, together */
    int64_t shared_ms;  /* of these, while another attempt of any run went on */
    int64_t told_ms;    /* of these, of attempts that told the following */
    bool elsewhere;     /* in another environment than the first of these rows */
    double steal_share; /* of the machine's time; means over told_ms, 0 without */
    double other_cores;
};
/* Runs of an experiment that have stored something, by id; an attempt that hasn't ended lasts until
 * now. *ret is the caller's (free). */
int store_timings(struct store *, int64_t experiment, struct timing_row **ret, size_t *ret_n,
                  struct err *);

struct timing_span {
    int64_t from, to;
};
/* For each of own[], which are among all[]: how long one more of all[] lasted, too. O(n log n).
 * Errors: NO_MEMORY. */
int timing_shared(const struct timing_span *all, size_t n, const struct timing_span *own,
                  size_t own_n, int64_t *ret, struct err *);

#endif
