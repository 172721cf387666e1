/* timing: whether times may be compared, and what disturbed them.
 *
 * A run's clock was disturbed when another run of the daemon went on for more than a hundredth of
 * its time, the machine's host took more than a hundredth of the machine's, something else kept
 * more than a tenth of a core busy, or when that isn't known for all of its time. Other load isn't
 * held against a run beside which another one ran: that one is the load.
 */
#ifndef ABLATE_SERVER_REPORT_TIMING_H
#define ABLATE_SERVER_REPORT_TIMING_H

#include "server/verdict/study.h"

enum disturbance {
    DISTURBED_BY_RUN,
    DISTURBED_BY_HOST,
    DISTURBED_BY_LOAD,
    DISTURBED_UNKNOWN,
    DISTURBANCES
};

/* A bit set of 1u << enum disturbance. */
unsigned timing_of_run(const struct study *study, const struct run_row *run);
/* {clean, reasons: [{reason, runs, detail}]} of a cell's runs that succeeded; null without any. New
 * reference. */
json_t *timing_json(const struct study *study, const struct cell *cell);
/* "while another run shared the machine", several of them with "and". */
void timing_words(unsigned disturbed, struct buf *to);
/* Appends a sentence about each disturbance to a list, saying whose times it concerns. */
void timing_remarks(const struct study *study, json_t *list);

#endif
