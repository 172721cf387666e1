/* claims: what an arm's difference to the baseline says, from outcomes by seed
 * (schema/numerics.md §8).
 *
 * The primary claim of an arm compares each seed's mean over the grid; the secondary ones compare
 * at a grid point each. Primary claims are one family, secondary ones another: of those with
 * STATS_CLAIM_N measured pairs both p, that of a difference and that of equivalence, are adjusted
 * over the family by Westfall–Young. Intervals aren't. What becomes of a pair:
 *
 * - measured: counts. A run that diverged (its value isn't finite) is infinitely bad: its
 *   difference is the limit of an ever greater one. So it ranks worst, the mean and an end of
 *   the interval become infinite where it decides them, and it can never be equivalent. Both
 *   diverged: a tie.
 * - lost by both arms (failed, or ended without the metric): no pair.
 * - lost by one of them: an arm whose worst runs fail would look better by it. So it counts against
 *   whatever is claimed, as does what was cancelled by somebody who may have looked: each figure
 *   is computed with all such pairs at the greatest absolute difference seen (or at the margin, if
 *   that is more), once for the arm and once against it. A verdict must come out of both; p is
 *   the greater, the interval spans both.
 * - open: nothing is claimed before every planned run of the experiment has ended.
 *
 * In a primary claim the worst of these at any grid point is the seed's. Below STATS_CLAIM_N
 * measured pairs: no p, no interval, no claim. Nor is there one where all differences are one
 * number that isn't 0, since then the seed decides nothing and none of them is a repetition; nor
 * where seeds were added that compare.looks hadn't declared: who adds some until it looks good
 * finds something sooner or later. What is declared is tested at 5 % divided by the looks.
 */
#ifndef ABLATE_SERVER_CLAIMS_H
#define ABLATE_SERVER_CLAIMS_H

#include "server/verdict/checks.h"
#include "server/verdict/statistics/stats.h"

enum verdict {
    VERDICT_BETTER,
    VERDICT_WORSE,
    VERDICT_EQUIVALENT,
    VERDICT_UNDETERMINED,
    VERDICT_INVALID
};
extern const char *const verdict_names[];

/* Why no claim is made, or the claim is invalid, where no audit says it. */
enum claim_reason {
    CLAIM_REASON_NONE,
    CLAIM_REASON_BEST,        /* each run's best value rewards noise: invalid */
    CLAIM_REASON_NO_VARIANCE, /* all differences are one number, not 0 */
    CLAIM_REASON_ADDED,       /* seeds were added that no look had declared */
    CLAIM_REASONS
};
extern const char *const claim_reason_names[];

struct statement {
    const char *arm;                /* borrowed from the study */
    const struct slot *slot, *base; /* NULL in a primary claim */
    /* Pairs. planned is the sum of n and the next four. */
    size_t planned, n;
    size_t lost, one_sided, cancelled, open; /* lost by both; lost by one */
    size_t diverged, base_diverged;          /* of the n */
    size_t agree, disagree;                  /* of the n: the arm is better, or worse; others tie */
    size_t disturbed;                        /* of the n: times that something else disturbed … */
    unsigned disturbances;                   /* … and what (timing.h): then nothing is claimed */
    double mean, base_mean;                  /* arm − baseline; NaN for n = 0 */
    double median;                           /* of the differences; NaN for n = 0 */
    double sd;                               /* of the finite differences; NaN below two */
    double *differences;  /* owned [seeds], by the study's seeds; NaN where there is no measured
                               pair */
    bool tested;          /* p and the intervals hold */
    size_t family;        /* claims that p was adjusted over, this one among them */
    double p, p_adjusted; /* of a difference, alone and adjusted */
    double p_equivalent;  /* of more than the margin, adjusted */
    struct stats_interval ci95, ci90;
    struct stats_interval bootstrap; /* 95 %, by bootstrap-t; NaN where skewed can't be asked */
    bool skewed; /* mean and median disagree in sign, or the two 95 % intervals about 0 */
    struct stats_needed needed;
    double power; /* that n pairs had to detect a difference of the margin; NaN: unknown */
    enum verdict verdict;
    enum claim_reason reason;
    const struct audit_row *against; /* why it is invalid; borrowed */
    /* What its figures don't know of: that the same was run elsewhere, too; that more than one thing
     * was changed (borrowed; NULL: it isn't so); and of the invalidating audits those that haven't
     * spoken of both arms everywhere, bits 1u << enum audit. */
    const struct audit_row *selection, *change;
    unsigned unaudited;
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
/* Whether it says anything: better, worse or equivalent. */
bool claim_is_made(const struct statement *claim);
/* arm - baseline as a share of the baseline's magnitude. false: there is none. */
bool claim_relative(const struct statement *claim, double *ret);
/* The primary claims together: the verdict when all arms have the same, else "mixed"; "open" before
 * every run has ended; "none" when there is nothing to compare. */
const char *claims_status(const struct claims *claims);

#endif
