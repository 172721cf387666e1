/* stats: what differences paired by seed can say (schema/numerics.md §8).
 *
 * Everything rests on one idea: if two arms were alike, the sign of each seed's difference would be
 * a coin toss. The sign-flip distribution is enumerated up to STATS_EXACT_N seeds; beyond, the
 * flips are drawn from a keyed generator, so that the same data always gives the same figures.
 */
#ifndef ABLATE_SERVER_STATS_H
#define ABLATE_SERVER_STATS_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATS_EXACT_N = 16,      /* 2^16 flips are enumerated */
    STATS_SAMPLES = 1 << 16, /* flips drawn beyond that, the observed signs among them … */
    STATS_MANY_N = 1024,     /* … and above this many seeds fewer: SAMPLES · MANY_N / seeds */
    STATS_CLAIM_N = 6        /* below it no flip reaches 5 %: no interval, no claim */
};

/* The flips of a number of seeds. Starts zeroed; the tests below fill it, and again when they are
 * given another number: reuse it among tests. Bytes: 65,536 × (n / 8 + 2), at most 8.5 million. */
struct stats_flips {
    size_t n, count, bytes;
    uint8_t *bits;    /* [count × bytes], a bit a seed */
    uint16_t *turned; /* [count] how many bits are set */
};
void stats_flips_done(struct stats_flips *flips);

struct stats_interval {
    double low, high; /* infinite where the test can't bound the mean at this level */
};

struct stats_paired {
    size_t n;
    double mean, sd; /* sd: n − 1 in the denominator; NaN for n = 1 */
    double p;        /* two-sided; 1 for n = 0 */
    struct stats_interval ci95, ci90;
};

/* The sign-flip test of mean 0 for differences d[n] (finite), and the intervals that come from
 * inverting it: the means m for which d − m isn't rejected. Errors: NO_MEMORY. */
int stats_paired(struct stats_flips *flips, const double *d, size_t n, struct stats_paired *ret,
                 struct err *err);

/* Westfall–Young single-step max-|t|: d[m × n], row c = comparison c, columns = seeds; NaN: this
 * row has no pair of that seed and does without. A flip turns the sign of a whole column, so what
 * the comparisons have in common stays. ret_p[m]: the adjusted p of each row, 1 below two pairs. A
 * row without variance has |t| infinite, or 0 if its mean is 0. Errors: NO_MEMORY. */
int stats_adjusted(struct stats_flips *flips, const double *d, size_t m, size_t n, double *ret_p,
                   struct err *err);
/* That each row's mean lies within ± margin: two one-sided sign-flip tests, of d + margin and of
 * margin − d, each adjusted over the rows by the greatest t (not |t|) of a joint flip. ret_p[m]:
 * the greater of a row's two. Otherwise as stats_adjusted. */
int stats_equivalence(struct stats_flips *flips, const double *d, size_t m, size_t n, double margin,
                      double *ret_p, struct err *err);

enum stats_verdict { STATS_BETTER, STATS_WORSE, STATS_EQUIVALENT, STATS_UNDETERMINED };
extern const char *const stats_verdict_names[];
/* At level alpha, from the adjusted p of the two tests above: equivalent before better and worse, as
 * a difference below the margin is none that matters. `lower_is_better` says which sign of the mean
 * difference arm − baseline is good. */
enum stats_verdict stats_judge(double mean, double p, double p_equivalent, double alpha,
                               bool lower_is_better);

/* The median of d[n], which is sorted. NaN for n = 0. */
double stats_median(double *d, size_t n);

/* How many seeds a paired t test at this level takes for 80 % power at a true difference of the
 * margin: the least n ≥ stats_least_pairs with t(n−1, 1 − level/2) + t(n−1, .8) ≤ margin·√n/sd. low, high: the same at
 * the ends of the 90 % interval of a spread that was estimated from `pairs` differences. Never from
 * the observed effect. All 0 below STATS_CLAIM_N pairs, where the spread is hardly known, and when
 * sd or margin isn't; 10⁹ stands for more. */
struct stats_needed {
    size_t seeds, low, high;
};
struct stats_needed stats_needed_seeds(size_t pairs, double sd, double margin, double level);
/* The power of that test with n pairs: P(|t′| > t(n−1, 1 − level/2)), t′
 * noncentral by margin·√n/sd. NaN when it isn't known. */
double stats_power(size_t n, double sd, double margin, double level);
/* What every test is held against: 5 %, of so many looks the share of each, so that all of them together
 * keep to it. 0 looks: none was declared. */
double stats_level(size_t looks);
/* The pairs from which on a flip reaches this level, since no p lies below 2/2^n; STATS_CLAIM_N at 5 %. */
size_t stats_least_pairs(double level);

#endif
