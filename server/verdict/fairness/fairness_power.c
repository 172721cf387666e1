/* Whether there are enough seeds for any claim.
 *
 * The test is an exact sign-flip permutation over n seeds (schema/numerics.md §8): 2^n patterns of
 * signs, of which the observed one and its mirror image always give the same |t|. So no two-sided p
 * lies below 2/2^n, and that one is reached when no other pattern comes up to what was observed.
 * Adjusting by Westfall–Young's max-|t| doesn't raise that floor, whatever the number m of
 * comparisons: the adjusted p of a comparison is the share of patterns whose greatest |t| over all
 * m reaches its own; signs are flipped for all comparisons together, so these are the same 2^n
 * patterns, and when every comparison is clear-cut only the two reach any of them. (Bonferroni
 * would ask for 2m/2^n.) Hence 6 seeds: 2/2^5 = 0.0625, 2/2^6 = 0.03125. Beyond 16 seeds flips are
 * drawn, which bounds p far below 0.05 as well.
 *
 * Only seeds that finished count: for an arm, those in which its run and the baseline's have both
 * succeeded at every place, with the chosen configuration where there is one.
 */
#include "server/verdict/fairness/fairness_plan.h"

#include <math.h>

static const double level = 0.05;

/* Whether arm and baseline can be paired in this seed at every place. */
static bool pairs(const struct plan *p, size_t seed, size_t arm)
{
    const size_t both[] = { arm, p->baseline };
    for (size_t place = 0; place < p->layout.places_n; place++)
        for (size_t i = 0; i < 2; i++) {
            size_t point = p->chosen[place * p->layout.arms_n + both[i]];
            if (point == SIZE_MAX || !plan_counts(plan_run(p, seed, point, both[i])))
                return false;
        }
    return true;
}

int fairness_power(struct plan *p, struct err *err)
{
    size_t least = p->layout.seeds_n, worst = p->baseline;
    struct buf text;
    (void)err;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_POWER, "there is one arm: nothing to compare");
        return 0;
    }
    for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
        size_t n = 0;
        for (size_t seed = 0; seed < p->layout.seeds_n; seed++)
            n += pairs(p, seed, arm);
        if (arm != p->baseline && n < least) {
            least = n;
            worst = arm;
        }
    }
    double smallest = least > 0 ? ldexp(2, -(int)least) : 1;
    size_t needed = (size_t)ceil(log2(2 / level));
    bool enough = smallest <= level;
    buf_init(&text, 0);
    if (worst != p->baseline)
        buf_addf(&text, "of %zu seed%s %zu can be paired between %s and %s; ", p->layout.seeds_n,
                 p->layout.seeds_n == 1 ? "" : "s", least, p->layout.arms[worst],
                 p->layout.arms[p->baseline]);
    buf_addf(&text, "with %zu seed%s the smallest p that can be reached is %.2g", least,
             least == 1 ? "" : "s", smallest);
    if (!enough)
        buf_addf(&text, ", and a claim needs %.2g: at least %zu seeds", level, needed);
    plan_add(p, AUDIT_POWER, enough ? AUDIT_PASS : AUDIT_FAIL, NULL, NULL, &text,
             json_pack("{s:I, s:I, s:f, s:I, s:I}", "seeds", (json_int_t)p->layout.seeds_n, "pairs",
                       (json_int_t)least, "smallest_p", smallest, "needed", (json_int_t)needed,
                       "comparisons", (json_int_t)(p->layout.places_n * (p->layout.arms_n - 1))));
    return 0;
}
