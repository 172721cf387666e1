/* What chance the comparison had of detecting a difference of the margin.
 *
 * Below STATS_CLAIM_N pairs there is none: of the 2^n patterns of signs the observed one and its
 * mirror image always give the same |t|, so no two-sided p lies below 2/2^n, and adjusting by
 * Westfall-Young's max-|t| doesn't raise that floor, whatever the number of comparisons (signs are
 * flipped for all of them together). Hence 6 seeds: 2/2^5 = 0.0625, 2/2^6 = 0.03125.
 *
 * Of looks each has its share of 5 %, which takes more (2/2^7 is below 2.5 %).
 *
 * From there on the power is that of a paired t test at that level, unadjusted, for the spread that the
 * pairs' differences have: of each seed's mean over the grid, as the primary claim takes it
 * (schema/numerics.md §8). Never for the difference that was observed. Only seeds that finished
 * count: those in which the arm's run and the baseline's have both succeeded at every place, with
 * the chosen configuration where there is one.
 */
#include "server/verdict/fairness/fairness_plan.h"
#include "server/verdict/statistics/stats.h"
#include "server/verdict/study.h"

#include <math.h>

static const double wanted = 0.8;

struct pairs {
    size_t arm, n;
    double sd; /* of the finite differences; NaN below two */
};

/* The mean difference over the places; false if arm and baseline can't be paired at each. */
static bool pair(const struct plan *p, size_t seed, size_t arm, double *ret)
{
    const size_t both[] = { arm, p->baseline };
    double sum = 0;
    for (size_t place = 0; place < p->layout.places_n; place++)
        for (size_t i = 0; i < 2; i++) {
            size_t point = p->chosen[place * p->layout.arms_n + both[i]];
            if (point == SIZE_MAX || !plan_counts(plan_judged(p, seed, point, both[i])))
                return false;
            double value = plan_judged(p, seed, point, both[i])->value;
            sum += i == 0 ? value : -value;
        }
    *ret = sum / (double)p->layout.places_n;
    return true;
}

static struct pairs pairs_of(const struct plan *p, size_t arm)
{
    struct sample finite = { 0 };
    struct pairs pairs = { .arm = arm };
    for (size_t seed = 0; seed < p->layout.seeds_n; seed++) {
        double difference;
        if (!pair(p, seed, arm, &difference))
            continue;
        pairs.n++;
        if (isfinite(difference))
            sample_add(&finite, difference);
    }
    pairs.sd = sample_sd(&finite);
    return pairs;
}

/* Of two arms the one of which less could be found out. */
static bool is_weaker(const struct pairs *a, const struct pairs *b)
{
    return a->n != b->n && (a->n < STATS_CLAIM_N || b->n < STATS_CLAIM_N) ? a->n < b->n
           : !isnan(a->sd) && !isnan(b->sd)
               ? a->sd * sqrt((double)b->n) > b->sd * sqrt((double)a->n)
               : isnan(a->sd) && !isnan(b->sd);
}

static void say_pairs(const struct plan *p, const struct pairs *w, struct buf *to)
{
    buf_addf(to, "of %zu seed%s %zu can be paired between %s and %s", p->layout.seeds_n,
             p->layout.seeds_n == 1 ? "" : "s", w->n, p->layout.arms[w->arm],
             p->layout.arms[p->baseline]);
}

static enum audit_status say(const struct plan *p, const struct pairs *w, double margin,
                             double level, double power, struct buf *to)
{
    if (w->n >= STATS_CLAIM_N && w->n < stats_least_pairs(level)) {
        buf_addf(to,
                 "too few seeds to find a difference at a look, which is tested at %.2g %% and "
                 "takes %zu; ",
                 100 * level, stats_least_pairs(level));
        say_pairs(p, w, to);
        return AUDIT_FAIL;
    }
    if (w->n < STATS_CLAIM_N) {
        buf_addf(to, "too few seeds for any claim, which takes %d; ", STATS_CLAIM_N);
        say_pairs(p, w, to);
        return AUDIT_FAIL;
    }
    if (isnan(power)) {
        buf_adds(to, "the chance that a difference would be found isn't known, as the runs' values "
                     "aren't finite; ");
        say_pairs(p, w, to);
        return AUDIT_WARN;
    }
    buf_addf(to,
             "a difference of %.4g would be found with a chance of %.0f %%%s: sd %.2g over %zu "
             "pairs of %s and %s",
             margin, floor(100 * power), power < wanted ? ", and 80 % are wanted" : "", w->sd, w->n,
             p->layout.arms[w->arm], p->layout.arms[p->baseline]);
    return power < wanted ? AUDIT_WARN : AUDIT_PASS;
}

int fairness_power(struct plan *p, struct err *err)
{
    const json_t *compare = json_object_get(p->in->spec, "compare");
    double margin = json_number_value(json_object_get(compare, "margin"));
    double level = plan_level(p);
    struct pairs weakest = { 0 };
    bool any = false;
    struct buf text;
    (void)err;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_POWER, "there is one arm: nothing to compare");
        return 0;
    }
    for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
        if (arm == p->baseline)
            continue;
        struct pairs own = pairs_of(p, arm);
        if (!any || is_weaker(&own, &weakest))
            weakest = own;
        any = true;
    }
    double power = weakest.n >= stats_least_pairs(level)
                       ? stats_power(weakest.n, weakest.sd, margin, level)
                       : 0;
    buf_init(&text, 0);
    enum audit_status status = say(p, &weakest, margin, level, power, &text);
    plan_add(p, AUDIT_POWER, status, NULL, NULL, &text,
             json_pack(
                 "{s:I, s:I, s:s, s:o, s:f, s:o, s:i, s:I}", "seeds", (json_int_t)p->layout.seeds_n,
                 "pairs", (json_int_t)weakest.n, "arm", p->layout.arms[weakest.arm], "sd",
                 study_number(!isnan(weakest.sd), weakest.sd), "margin", margin, "power",
                 study_number(!isnan(power), power), "needed_pairs", (int)stats_least_pairs(level),
                 "comparisons", (json_int_t)(p->layout.places_n * (p->layout.arms_n - 1))));
    return 0;
}
