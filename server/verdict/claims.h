/* claims: what an arm's difference to the baseline says, from outcomes by seed
 * (schema/numerics.md §8).
 *
 * The primary claim of an arm compares each seed's mean over the grid; the secondary ones compare
 * at a grid point each, with p adjusted by Westfall–Young over all secondary claims that have
 * STATS_CLAIM_N pairs. What becomes of a pair:
 *
 * - measured: counts. A run that diverged (its value isn't finite) is infinitely bad: its
 *   difference is the limit of an ever greater one. So it ranks worst, the mean and an end of
 *   the interval become infinite where it decides them, and it can never be equivalent. Both
 *   diverged: a tie.
 * - lost: a run failed for reasons that aren't the arm's, or measured nothing: no pair. In the
 *   primary claim the seed is left out of the whole grid.
 * - cancelled: somebody ended it before its time, perhaps having looked. It counts against
 *   whatever is claimed: each figure is computed with all cancelled pairs at the greatest
 *   absolute difference seen (or at the margin, if that is more), once for the arm and once
 *   against it. A verdict must come out of both; p is the greater, the interval spans both.
 * - open: nothing is claimed before every planned run of the experiment has ended.
 *
 * Below STATS_CLAIM_N measured pairs: no p, no interval, no claim.
 */
#ifndef ABLATE_SERVER_CLAIMS_H
#define ABLATE_SERVER_CLAIMS_H

#include "server/verdict/checks.h"
#include "server/verdict/stats.h"

enum verdict {
    VERDICT_BETTER,
    VERDICT_WORSE,
    VERDICT_EQUIVALENT,
    VERDICT_UNDETERMINED,
    VERDICT_INVALID
};
extern const char *const verdict_names[];

struct statement {
    const char *arm;                          /* borrowed from the study */
    const struct slot *slot, *base;           /* NULL in a primary claim */
    size_t planned, n, lost, cancelled, open; /* pairs; planned is the sum of the others */
    size_t diverged, base_diverged;           /* of the n */
    size_t agree, disagree; /* of the n: the arm is better, or worse; others tie */
    size_t disturbed;       /* of the n: times that something else disturbed … */
    unsigned disturbances;  /* … and what (timing.h): then nothing is claimed */
    double mean, base_mean; /* arm − baseline; NaN for n = 0 */
    double sd;              /* of the finite differences; NaN below two */
    bool tested;            /* p and the intervals hold */
    double p, p_adjusted;   /* a primary claim needs no adjustment: equal */
    struct stats_interval ci95, ci90;
    size_t needed; /* seeds that would settle ± margin; 0 = not known */
    enum verdict verdict;
    const struct audit_row *against; /* why it is invalid; borrowed */
};

struct claims {
    struct statement *primary,
        *secondary; /* primary: by arm as first met; secondary: slot by slot */
    size_t primary_n, secondary_n;
    bool open; /* some planned run hasn't ended */
};

/* Errors: NO_MEMORY. */
int claims_init(struct claims *claims, const struct findings *findings, struct err *err);
void claims_done(struct claims *claims);

#endif
