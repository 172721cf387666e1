/* simulate: made-up experiments, judged by the daemon's own code. */
#ifndef ABLATE_TESTS_SIMULATE_H
#define ABLATE_TESTS_SIMULATE_H

#include "server/verdict/claims.h"

enum { SIM_ARMS = 10, SIM_SEEDS = 128 };

/* Distributions of mean 0. one bad in ten: −1 in nine of ten seeds and 9 in one, with a normal
 * spread of 0.3 around either. */
enum sim_distribution {
    SIM_NORMAL,
    SIM_T3,
    SIM_LOGNORMAL,
    SIM_EXPONENTIAL,
    SIM_ONE_BAD,
    SIM_DISTRIBUTIONS
};
extern const char *const sim_names[];
extern const double sim_sd[]; /* their standard deviations */

/* n values of an arm in experiment `number`. */
void sim_draw(enum sim_distribution distribution, int number, size_t arm, size_t n, double *ret);
double sample_sd_of(const double *values, size_t n);

struct sim_plan {
    size_t arms, seeds; /* beside the baseline */
    enum sim_distribution distribution;
    double scale, shift; /* differences are shift + scale·value; scale 0 = 1 */
    double margin;
    int number;
    size_t worst_lost; /* this many of the first arm's worst runs end so; or … */
    size_t any_lost;   /* … these many seeds, whatever they gave, in both arms */
    enum run_state lost_as;
    const char *looks; /* compare.looks as JSON, the first of them being: */
    size_t submitted;  /* seeds; looks NULL: all that there are */
};

struct sim_verdicts {
    size_t n;
    enum verdict primary[SIM_ARMS];
    bool skewed[SIM_ARMS];
};

void sim_judge(const struct sim_plan *plan, struct sim_verdicts *ret);

#endif
