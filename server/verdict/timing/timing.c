/* What disturbed a run's clock: the bounds, and the words for it. */
#include "server/verdict/timing/timing.h"

#include <stdlib.h>
#include <string.h>

static const double share_tolerated = 0.01, cores_tolerated = 0.1;

const struct disturbance_info disturbance_table[DISTURBANCES] = {
    [DISTURBED_BY_RUN] = { "another_run", "while another run shared the machine" },
    [DISTURBED_BY_HOST] = { "steal", "while the machine's host took more than 1 % of its time" },
    [DISTURBED_BY_LOAD] = { "other_load", "while other programs kept more than 0.1 cores busy" },
    [DISTURBED_UNKNOWN] = { "unknown", "without a record of what else the machine did" },
    [DISTURBED_ELSEWHERE] = { "environment", "in another environment than the first run's" },
};

static int by_run(const void *key, const void *row)
{
    int64_t run = *(const int64_t *)key, other = ((const struct timing_row *)row)->run;
    return run < other ? -1 : run > other;
}

const struct timing_row *timing_find(const struct study_input *in, int64_t run)
{
    return in->timings_n == 0
               ? NULL
               : bsearch(&run, in->timings, in->timings_n, sizeof *in->timings, by_run);
}

unsigned timing_disturbed(const struct timing_row *row)
{
    if (row == NULL)
        return 1u << DISTURBED_UNKNOWN;
    bool shared = (double)row->shared_ms > share_tolerated * (double)row->ms;
    bool stolen = row->steal_share > share_tolerated;
    bool loaded = row->other_cores > cores_tolerated && !shared;
    return (unsigned)shared << DISTURBED_BY_RUN | (unsigned)stolen << DISTURBED_BY_HOST |
           (unsigned)loaded << DISTURBED_BY_LOAD |
           (unsigned)(row->told_ms < row->ms) << DISTURBED_UNKNOWN |
           (unsigned)row->elsewhere << DISTURBED_ELSEWHERE;
}

unsigned timing_of_run(const struct study_input *in, int64_t run)
{
    return timing_disturbed(timing_find(in, run));
}

void timing_words(unsigned set, struct buf *to)
{
    const char *before = "";
    for (int d = 0; d < DISTURBANCES; d++) {
        if ((set & 1u << d) == 0)
            continue;
        buf_addf(to, "%s%s", before, disturbance_table[d].words);
        before = " and ";
    }
}
