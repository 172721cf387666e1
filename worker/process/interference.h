/* interference: what else used the machine while an attempt ran, so that its times can be judged.
 *
 * /proc/stat counts the whole machine's time, getrusage the trainer's own. Busy time that isn't the
 * trainer's is other load: other programs, other runs, the daemon. Steal is time in which the
 * machine was ready to run and its host ran something else.
 */
#ifndef ABLATE_WORKER_INTERFERENCE_H
#define ABLATE_WORKER_INTERFERENCE_H

#include <jansson.h>
#include <stdbool.h>

/* Seconds since the machine's start, summed over its cores. */
struct machine_times {
    double busy, steal, total;
};

/* Reads the line "cpu …" of /proc/stat's text (proc(5)); false when it isn't one. */
bool interference_parse(const char *stat, double ticks_per_s, struct machine_times *ret);

struct interference_sample {
    bool known;
    struct machine_times machine;
    double own, at; /* seconds: the process' CPU time, the clock */
};

void interference_sample(struct interference_sample *ret);
/* {steal_share, other_cores} between two samples: steal as a share of the machine's time, other
 * load as cores that were busy with it on average; null where /proc doesn't tell. New reference. */
json_t *interference_between(const struct interference_sample *from,
                             const struct interference_sample *to);

#endif
