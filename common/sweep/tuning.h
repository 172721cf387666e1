/* tuning: which configuration of compare.tune's factors an arm chooses (schema/numerics.md §8). One
 * rule for the report, which compares what was chosen, and for the audits, which say whether the
 * choice was fair.
 *
 * The configuration with the best mean of the last validation value is chosen. Configurations with
 * broken runs rank behind the others, however good the rest of them looks: first those of which
 * every run was measured, then those that lost some runs, then those of which some diverged, then
 * those of which all did, then those that measured nothing. A cancelled run doesn't rank a
 * configuration down, since a person could steer the choice by cancelling; it counts against the
 * claim instead.
 */
#ifndef ABLATE_COMMON_TUNING_H
#define ABLATE_COMMON_TUNING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What a configuration's runs came to. */
struct tuning_sum {
    size_t runs, cancelled, diverged, finite; /* planned; of these; not finite at the end; others */
    double mean;                              /* of the finite values; 0 when there is none */
};
/* Another run ended with this value. */
void tuning_add(struct tuning_sum *sum, double value);
/* Nothing was measured. */
static inline bool tuning_is_empty(const struct tuning_sum *s)
{
    return s->finite + s->diverged == 0;
}
/* Whether a is to be chosen rather than b; false when they are alike. */
bool tuning_prefers(const struct tuning_sum *a, const struct tuning_sum *b, bool maximise);

/* The metric that compare names, or its default; borrowed. */
const char *tuning_metric(const json_t *spec);
/* The metrics of an experiment's compare. With tuning, whichever of val/x and test/x was named: the
 * choice is by val/x and test/x is compared. Otherwise both are the one that was named. */
struct tuning_metrics {
    char chosen_by[80], compared[80];
    bool held_out; /* they are val/x and test/x */
};
void tuning_metrics(const json_t *spec, struct tuning_metrics *ret);

#endif
