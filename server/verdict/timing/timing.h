/* timing: what disturbed a run's clock.
 *
 * A run's clock was disturbed when another run of the daemon went on for more than a hundredth of
 * its time, the machine's host took more than a hundredth of the machine's, something else kept
 * more than a tenth of a core busy, or when that isn't known for all of its time; and when it was
 * trained in another environment than the experiment's first run. Other load isn't
 * held against a run beside which another one ran: that one is the load.
 */
#ifndef ABLATE_SERVER_TIMING_H
#define ABLATE_SERVER_TIMING_H

#include "common/base/buf.h"
#include "server/verdict/input.h"

enum disturbance {
    DISTURBED_BY_RUN,
    DISTURBED_BY_HOST,
    DISTURBED_BY_LOAD,
    DISTURBED_UNKNOWN,
    DISTURBED_ELSEWHERE,
    DISTURBANCES
};
struct disturbance_info {
    const char *name, *words; /* "steal"; "while the machine's host took …" */
};
extern const struct disturbance_info disturbance_table[DISTURBANCES];

/* What is known of a run's time; NULL when nothing is. Borrowed from in. */
const struct timing_row *timing_find(const struct study_input *in, int64_t run);
/* A bit set of 1u << enum disturbance; of NULL: DISTURBED_UNKNOWN. */
unsigned timing_disturbed(const struct timing_row *row);
unsigned timing_of_run(const struct study_input *in, int64_t run);
/* "while another run shared the machine", several of them with "and". */
void timing_words(unsigned disturbed, struct buf *to);

#endif
