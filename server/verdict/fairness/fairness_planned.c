/* What can be said of an experiment before a step is trained (fairness_planned): those checks that
 * look at specifications alone as they are, and here those that will look at what came of runs, by
 * what is planned. Each speaks of the experiment, or of a grid point; none is stored, since the end
 * says more. */
#include "common/spec/point.h"
#include "server/verdict/fairness/fairness_plan.h"
#include "server/verdict/statistics/stats.h"

#include <math.h>
#include <string.h>

/* Equal numbers in the list of seeds are refused before this. */
int fairness_planned_seeds(struct plan *p, struct err *err)
{
    struct buf text;
    (void)err;
    if (p->layout.seeds_n < 2) {
        plan_skip(p, AUDIT_DISTINCT_SEEDS, "there is one seed: nothing to tell apart");
        return 0;
    }
    buf_init(&text, 0);
    buf_addf(&text, "%zu seeds, each of them once", p->layout.seeds_n);
    plan_add(p, AUDIT_DISTINCT_SEEDS, AUDIT_PASS, NULL, NULL, &text,
             json_pack("{s:I}", "seeds", (json_int_t)p->layout.seeds_n));
    return 0;
}

/* A choice among one or two numbers always lies at an edge. */
static bool has_inside(const json_t *list)
{
    size_t i, numbers = 0;
    const json_t *value;
    json_array_foreach((json_t *)(uintptr_t)list, i, value)
    {
        numbers += json_is_number(value);
    }
    return numbers == 0 || numbers > 2;
}

int fairness_planned_tuning(struct plan *p, struct err *err)
{
    const json_t *tune = json_object_get(json_object_get(p->in->spec, "compare"), "tune");
    struct buf text;
    size_t i, narrow = 0;
    const json_t *path;
    if (p->layout.arms_n < 2 || json_array_size(tune) == 0)
        return fairness_tuning(p, err);
    buf_init(&text, 0);
    json_array_foreach((json_t *)(uintptr_t)tune, i, path)
    {
        const char *name = json_string_value(path);
        if (!has_inside(json_object_get(json_object_get(p->in->spec, "grid"), name)))
            buf_addf(&text, "%s%s", narrow++ > 0 ? ", " : "", name);
    }
    if (narrow > 0)
        buf_adds(&text,
                 " has fewer than three values: whichever is chosen lies at the edge of what "
                 "was tried");
    else
        buf_addf(&text, "every arm is tried with %zu configurations",
                 p->layout.points_n / p->layout.places_n);
    plan_add(p, AUDIT_TUNING, narrow > 0 ? AUDIT_WARN : AUDIT_PASS, NULL, NULL, &text,
             json_pack("{s:O, s:I}", "tuned", (json_t *)(uintptr_t)tune, "configurations",
                       (json_int_t)(p->layout.points_n / p->layout.places_n)));
    return 0;
}

/* How far a difference may be told from none takes what runs scatter; that so few seeds can't be told
 * from chance, nothing (fairness_power.c). */
int fairness_planned_power(struct plan *p, struct err *err)
{
    double level = plan_level(p);
    size_t n = p->layout.seeds_n, needed = stats_least_pairs(level);
    double smallest = ldexp(2, -(int)n);
    struct buf text;
    (void)err;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_POWER, "there is one arm: nothing to compare");
        return 0;
    }
    buf_init(&text, 0);
    if (smallest > level && n >= STATS_CLAIM_N)
        buf_addf(&text,
                 "with %zu seeds no difference can be found, whatever comes out: the smallest p "
                 "that can be reached is %.2g, and each look is tested at %.2g %%, which takes %zu "
                 "seeds",
                 n, smallest, 100 * level, needed);
    else if (smallest > level)
        buf_addf(
            &text,
            "with %zu seed%s no claim can be made, whatever comes out: the smallest p that can "
            "be reached is %.2g, and a claim takes %zu seeds",
            n, n == 1 ? "" : "s", smallest < 1 ? smallest : 1, (size_t)STATS_CLAIM_N);
    else
        buf_addf(&text,
                 "%zu seeds can establish a difference; how small a one shows in how far they "
                 "scatter",
                 n);
    plan_add(p, AUDIT_POWER, smallest > level ? AUDIT_FAIL : AUDIT_PASS, NULL, NULL, &text,
             json_pack("{s:I, s:I}", "seeds", (json_int_t)n, "needed", (json_int_t)needed));
    return 0;
}

/* The worst of a point's arms, or of all points. */
struct looked {
    enum audit_status status;
    struct overlap overlap;
    const char *arm, *why; /* why: it wasn't measured */
    size_t measured, unmeasured;
};

static int look_at_point(const struct plan *p, size_t point, struct looked *ret, struct err *err)
{
    static const enum audit_status statuses[] = {
        [OVERLAP_LITTLE] = AUDIT_PASS, [OVERLAP_SOME] = AUDIT_WARN, [OVERLAP_MUCH] = AUDIT_FAIL
    };
    int status = 0;
    for (size_t arm = 0; arm < p->layout.arms_n && status == 0; arm++) {
        const struct planned_cell *cell = plan_cell(p, point, arm);
        struct overlap overlap;
        const char *why = "no run's specification can be read";
        if (cell->known)
            status = p->in->overlap_of(p->in->arg, &cell->spec, &overlap, &why, err);
        if (status != 0)
            break;
        ret->measured += why == NULL;
        ret->unmeasured += why != NULL;
        enum audit_status is = why == NULL ? statuses[overlap_grade(&overlap)] : AUDIT_SKIPPED;
        bool first = ret->measured + ret->unmeasured == 1;
        if (!first && is <= ret->status && !(is == ret->status && overlap.same > ret->overlap.same))
            continue;
        ret->status = is;
        ret->arm = p->layout.arms[arm];
        ret->why = why;
        if (why == NULL)
            ret->overlap = overlap;
    }
    return status;
}

static void tell_overlap(struct plan *p, const struct looked *l, const char *grid, size_t points)
{
    struct buf text;
    buf_init(&text, 0);
    if (l->why != NULL)
        buf_adds(&text, l->why);
    else
        overlap_say(&l->overlap, &text);
    if (points > 1)
        buf_addf(&text, " (the worst of %zu grid points)", points);
    plan_add(p, AUDIT_SPLIT_OVERLAP, l->status, NULL, grid, &text,
             l->why == NULL ? overlap_json(&l->overlap) : json_object());
}

int fairness_planned_overlap(struct plan *p, struct err *err)
{
    bool fold = p->layout.points_n > FAIRNESS_ROWS;
    struct looked worst = { 0 };
    int status = 0;
    for (size_t point = 0; point < p->layout.points_n && status == 0; point++) {
        struct looked here = { 0 };
        status = look_at_point(p, point, &here, err);
        if (status == 0 && !fold)
            tell_overlap(p, &here, p->layout.points[point], 1);
        if (point == 0 || here.status > worst.status)
            worst = here;
    }
    if (status == 0 && fold)
        tell_overlap(p, &worst, NULL, p->layout.points_n);
    return status;
}
