/* selection: whether these specifications were run before, with other seeds or the same, so that
 * the seeds of this experiment may be those that came out well.
 *
 * Seeds submitted again, a few at a time, until a p is small enough: each such experiment looks sound
 * by itself. All that can be known is that there were others, and what came of them; so they are
 * named, deleted and purged ones too. Judging them together is left to the reader. A run counts from
 * its beginning, and whatever becomes of it: its curve was there to be seen.
 *
 * That there were others is found by an index; what came of them is looked up run by run, so there
 * is a bound on that, for whoever repeats thousands of runs. */
#include "common/sweep/tuning.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <inttypes.h>
#include <stdlib.h>

enum { NAMED = 4 };     /* in a sentence */
enum { SUMMED = 4000 }; /* runs, at most, whose values are looked up */

/* Another experiment with some of these cells. */
struct other {
    int64_t experiment;
    bool deleted, purged;
    size_t cells;
    int64_t runs;      /* of all of these cells */
    double sum[2];     /* of means: an arm's (the first that isn't the baseline), the baseline's */
    size_t pairs, arm; /* grid points where both were measured; whose they are */
};

struct others {
    const struct plan *plan;
    struct other *of; /* by experiment */
    size_t n;
    json_t *rows; /* evidence: a row a cell and experiment */
    json_t
        *seen; /* {cell: true}: arms that differ in nothing but how they are computed share one */
    size_t rows_n, cells;
    int64_t summed; /* runs */
};

/* The experiment's entry, made when it is new; NULL when memory runs out. */
static struct other *entry(struct others *o, const struct cell_row *row)
{
    size_t low = 0, high = o->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (o->of[middle].experiment < row->experiment)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < o->n && o->of[low].experiment == row->experiment)
        return &o->of[low];
    struct other *more = realloc(o->of, (o->n + 1) * sizeof *more);
    if (more == NULL)
        return NULL;
    o->of = more;
    for (size_t i = o->n++; i > low; i--)
        more[i] = more[i - 1];
    more[low] = (struct other){ .experiment = row->experiment,
                                .deleted = row->deleted,
                                .purged = row->purged,
                                .arm = SIZE_MAX };
    return &more[low];
}

static json_t *row_json(const struct plan *p, size_t point, size_t arm, const struct cell_row *row)
{
    return json_pack("{s:s, s:o, s:I, s:b, s:b, s:I, s:I, s:o}", "arm", p->layout.arms[arm], "grid",
                     objects_embed(p->layout.points[point]), "experiment",
                     (json_int_t)row->experiment, "deleted", (int)row->deleted, "purged",
                     (int)row->purged, "runs", (json_int_t)row->runs, "measured",
                     (json_int_t)row->measured, "mean",
                     row->measured > 0 ? json_real(row->mean) : json_null());
}

static const struct cell_row *find(const struct cell_row *rows, size_t n, int64_t experiment)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].experiment == experiment && rows[i].measured > 0)
            return &rows[i];
    return NULL;
}

/* A run of the cell; NULL when there is none. */
static const struct digests_row *run_of(const struct plan *p, size_t point, size_t arm)
{
    const struct digests_row *run = NULL;
    for (size_t seed = 0; run == NULL && seed < p->layout.seeds_n; seed++)
        run = plan_run(p, seed, point, arm);
    return run;
}

/* Whether this is the first arm and point of its cell. */
static bool is_new(struct others *o, size_t point, size_t arm)
{
    const struct digests_row *run = run_of(o->plan, point, arm);
    if (run == NULL || run->cell == NULL)
        return true;
    bool known = json_object_get(o->seen, run->cell) != NULL;
    json_object_set_new(o->seen, run->cell, json_true());
    return !known;
}

static int rows_of(struct others *o, size_t point, size_t arm, struct cell_row **ret, size_t *ret_n,
                   struct err *err)
{
    const struct plan *p = o->plan;
    const struct digests_row *run = run_of(p, point, arm);
    struct cell_row *rows = NULL;
    size_t n = 0;
    if (run == NULL || run->cell == NULL || p->in->elsewhere_of == NULL)
        return 0;
    int status = p->in->elsewhere_of(p->in->arg, run->cell, &rows, &n, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        o->summed += rows[i].purged ? 0 : rows[i].runs;
        if (o->summed <= SUMMED)
            status = p->in->mean_of(p->in->arg, run->cell, &rows[i], err);
    }
    if (status != 0) {
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

/* An arm's cell at a point, beside the baseline's there. */
static int note(struct others *o, size_t point, size_t arm, const struct cell_row *rows, size_t n,
                const struct cell_row *base, size_t base_n, struct err *err)
{
    const bool counts = is_new(o, point, arm);
    o->cells += counts && n > 0;
    for (size_t i = 0; i < n; i++) {
        struct other *other = entry(o, &rows[i]);
        if (other == NULL)
            return err_no_memory(err, "%zu experiments", o->n + 1);
        other->cells += counts;
        other->runs += counts ? rows[i].runs : 0;
        if (o->rows_n++ < FAIRNESS_ROWS)
            json_array_append_new(o->rows, row_json(o->plan, point, arm, &rows[i]));
        const struct cell_row *its = find(base, base_n, rows[i].experiment);
        if (arm == o->plan->baseline || its == NULL || rows[i].measured == 0 ||
            (other->arm != SIZE_MAX && other->arm != arm))
            continue;
        other->arm = arm;
        other->pairs++;
        other->sum[0] += rows[i].mean;
        other->sum[1] += its->mean;
    }
    return 0;
}

static int look_at_point(struct others *o, size_t point, struct err *err)
{
    const struct plan *p = o->plan;
    struct cell_row *base = NULL;
    size_t base_n = 0;
    int status = rows_of(o, point, p->baseline, &base, &base_n, err);
    for (size_t arm = 0; arm < p->layout.arms_n && status == 0; arm++) {
        struct cell_row *rows = NULL;
        size_t n = 0;
        if (arm == p->baseline) {
            status = note(o, point, arm, base, base_n, base, base_n, err);
            continue;
        }
        status = rows_of(o, point, arm, &rows, &n, err);
        if (status == 0)
            status = note(o, point, arm, rows, n, base, base_n, err);
        free(rows);
    }
    free(base);
    return status;
}

static void say_other(const struct others *o, const struct other *other, const char *metric,
                      struct buf *to)
{
    const char *const *arms = o->plan->layout.arms;
    buf_addf(to, "experiment %" PRId64 " (%s%" PRId64 " run%s", other->experiment,
             other->purged    ? "purged, "
             : other->deleted ? "deleted, "
                              : "",
             other->runs, other->runs == 1 ? "" : "s");
    if (other->pairs > 0)
        buf_addf(to, ", %s Δ of %s against %s %+.4g", metric, arms[other->arm],
                 arms[o->plan->baseline], (other->sum[0] - other->sum[1]) / (double)other->pairs);
    buf_addc(to, ')');
}

static json_t *others_json(const struct others *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->n && i < FAIRNESS_ROWS; i++) {
        const struct other *other = &o->of[i];
        double pairs = (double)other->pairs;
        json_array_append_new(
            list, json_pack("{s:I, s:b, s:b, s:I, s:I, s:o, s:o}", "experiment",
                            (json_int_t)other->experiment, "deleted", (int)other->deleted, "purged",
                            (int)other->purged, "cells", (json_int_t)other->cells, "runs",
                            (json_int_t)other->runs, "arm",
                            other->pairs > 0 ? json_string(o->plan->layout.arms[other->arm])
                                             : json_null(),
                            "difference",
                            other->pairs > 0 ? json_real((other->sum[0] - other->sum[1]) / pairs)
                                             : json_null()));
    }
    return list;
}

static void conclude(struct plan *p, const struct others *o, const char *metric)
{
    struct buf text;
    buf_init(&text, 0);
    if (o->n > 0)
        buf_addf(&text,
                 "%zu of these specifications ran in %zu other experiment%s, too: ", o->cells, o->n,
                 o->n == 1 ? "" : "s");
    else
        buf_adds(&text, "no other experiment has run one of these specifications, with whatever "
                        "seed");
    for (size_t i = 0; i < o->n && i < NAMED; i++) {
        buf_adds(&text, i > 0 ? ", " : "");
        say_other(o, &o->of[o->n - 1 - i], metric, &text);
    }
    if (o->n > NAMED)
        buf_addf(&text, " and %zu more", o->n - NAMED);
    if (o->n > 0)
        buf_adds(&text, "; a p of this one doesn't know of them");
    plan_add(p, AUDIT_SELECTION, o->n > 0 ? AUDIT_WARN : AUDIT_PASS, NULL, NULL, &text,
             json_pack("{s:s, s:o, s:I, s:O, s:I}", "metric", metric, "experiments", others_json(o),
                       "experiments_n", (json_int_t)o->n, "cells", o->rows, "cells_n",
                       (json_int_t)o->rows_n));
}

int fairness_selection(struct plan *p, struct err *err)
{
    struct others o = { .plan = p, .rows = json_array(), .seen = json_object() };
    struct tuning_metrics metrics;
    int status = o.rows != NULL && o.seen != NULL ? 0 : err_no_memory(err, "a comparison");
    tuning_metrics(p->in->spec, &metrics);
    size_t most = FAIRNESS_CELLS / p->layout.arms_n + 1;
    for (size_t point = 0; point < p->layout.points_n && point < most && status == 0; point++)
        status = look_at_point(&o, point, err);
    if (status == 0)
        conclude(p, &o, metrics.compared);
    json_decref(o.rows);
    json_decref(o.seen);
    free(o.of);
    return status;
}
