#include "server/report/report.h"

#include "common/jsonx.h"
#include "server/runs/publish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How the compared metric is read. */
struct compare {
    const char *metric, *baseline;
    bool maximise, best;
};

/* A cell of the table: one arm at one grid point. */
struct cell {
    const char *arm, *grid; /* borrowed from a run */
    size_t point;           /* the first cell of the same grid point */
    size_t first, runs;     /* its stretch of table.order */
    size_t n;               /* runs of it that succeeded */
};

struct table {
    const struct report_input *in;
    struct compare compare;
    struct cell *cells;
    size_t n;
    size_t *cell_of; /* [runs] */
    size_t *order;   /* [runs] the runs' indices, cell by cell, ascending in each */
};

/* Metrics of the table, if a run has them: which of a run's figures counts, and which is best. The
 * compared metric is a row more when it isn't one of these. */
struct metric {
    const char *name;
    bool mean;     /* the mean over steps (clocks), not the last value */
    bool maximise; /* more is better */
};
static const struct metric metrics[] = {
    { "val/loss", false, false },
    { "val/accuracy", false, true },
    { "test/loss", false, false },
    { "test/accuracy", false, true },
    { "train/loss", false, false },
    { "time/step_s", true, false },
    { "throughput/tokens_per_s", true, true },
};
enum { METRICS = sizeof metrics / sizeof *metrics };

static const struct run_final *find_final(const struct run_row *run, const char *metric)
{
    for (size_t i = 0; i < run->finals_n; i++)
        if (strcmp(run->finals[i].name, metric) == 0)
            return &run->finals[i];
    return NULL;
}

/* The figure by which a run counts in the comparison; false if it has none yet. */
static bool compared_value(const struct table *t, const struct run_row *run, double *ret)
{
    const struct run_final *f = find_final(run, t->compare.metric);
    if (f == NULL || run->state != RUN_SUCCEEDED)
        return false;
    *ret = !t->compare.best ? f->value : t->compare.maximise ? f->greatest : f->best;
    return true;
}

/* The number that stands for a text, by first appearance. */
static size_t number_of(json_t *seen, const char *text, size_t len)
{
    json_t *number = json_object_getn(seen, text, len);
    if (number == NULL) {
        number = json_integer((json_int_t)json_object_size(seen));
        json_object_setn_new_nocheck(seen, text, len, number);
    }
    return (size_t)json_integer_value(number);
}

/* Which cell each run belongs to. Up to 10,000 runs and as many cells: nothing here may compare
 * each with each. */
static bool find_cells(struct table *t)
{
    const struct report_input *in = t->in;
    json_t *cells = json_object(), *points = json_object();
    struct buf key;
    buf_init(&key, 0);
    t->cells = calloc(in->runs_n + 1, sizeof *t->cells);
    t->cell_of = calloc(in->runs_n + 1, sizeof *t->cell_of);
    t->order = calloc(in->runs_n + 1, sizeof *t->order);
    size_t *point_cells = calloc(in->runs_n + 1, sizeof *point_cells);
    bool ok = t->cells != NULL && t->cell_of != NULL && t->order != NULL && point_cells != NULL;
    for (size_t i = 0; ok && i < in->runs_n; i++) {
        const struct run_row *run = &in->runs[i];
        buf_clear(&key);
        buf_addf(&key, "%s\n%s", run->arm, run->grid);
        ok = !key.failed;
        size_t at = ok ? number_of(cells, key.data, key.len) : 0;
        if (at == t->n) {
            size_t known = json_object_size(points);
            size_t point = number_of(points, run->grid, strlen(run->grid));
            if (point == known)
                point_cells[point] = at;
            t->cells[t->n++] =
                (struct cell){ .arm = run->arm, .grid = run->grid, .point = point_cells[point] };
        }
        t->cell_of[i] = at;
        t->cells[at].runs++;
        t->cells[at].n += run->state == RUN_SUCCEEDED;
    }
    for (size_t c = 1; ok && c < t->n; c++)
        t->cells[c].first = t->cells[c - 1].first + t->cells[c - 1].runs;
    for (size_t c = 0; ok && c < t->n; c++)
        t->cells[c].runs = 0;
    for (size_t i = 0; ok && i < in->runs_n; i++) {
        struct cell *cell = &t->cells[t->cell_of[i]];
        t->order[cell->first + cell->runs++] = i;
    }
    free(point_cells);
    buf_done(&key);
    json_decref(cells);
    json_decref(points);
    return ok;
}

static const struct run_row *run_in(const struct table *t, const struct cell *cell, size_t i)
{
    return &t->in->runs[t->order[cell->first + i]];
}

/* Mean and standard deviation (n − 1) as they come in. */
struct sample {
    size_t n;
    double mean, squares;
};

static void sample_add(struct sample *s, double value)
{
    double before = value - s->mean;
    s->n++;
    s->mean += before / (double)s->n;
    s->squares += before * (value - s->mean);
}

static json_t *number_or_null(bool known, double value)
{
    return known ? jsonx_number(value) : json_null();
}

static json_t *metric_json(const struct table *t, const struct cell *cell, const struct metric *m)
{
    struct sample last = { 0 }, counted = { 0 };
    double best = NAN;
    bool compared = strcmp(m->name, t->compare.metric) == 0 && t->compare.best;
    for (size_t i = 0; i < cell->runs; i++) {
        const struct run_row *run = run_in(t, cell, i);
        const struct run_final *f = find_final(run, m->name);
        if (f == NULL || run->state != RUN_SUCCEEDED)
            continue;
        double value = m->mean ? f->mean : f->value;
        double own = m->maximise ? f->greatest : f->best;
        sample_add(&last, value);
        sample_add(&counted, compared ? own : value);
        if (isnan(best) || (m->maximise ? own > best : own < best))
            best = own;
    }
    if (counted.n == 0)
        return NULL;
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "mean", jsonx_number(counted.mean), "sd",
                     number_or_null(counted.n > 1, sqrt(counted.squares / (double)(counted.n - 1))),
                     "best", number_or_null(!isnan(best), best), "last", jsonx_number(last.mean),
                     "n", (json_int_t)counted.n);
}

static json_t *table_json(const struct table *t)
{
    const struct metric compared = { t->compare.metric, false, t->compare.maximise };
    json_t *rows = json_array();
    for (size_t c = 0; c < t->n; c++) {
        const struct cell *cell = &t->cells[c];
        const struct run_row *run = run_in(t, cell, 0);
        json_t *values = json_object();
        for (size_t m = 0; m <= METRICS; m++) {
            const struct metric *metric = m < METRICS ? &metrics[m] : &compared;
            json_t *one =
                json_object_get(values, metric->name) == NULL ? metric_json(t, cell, metric) : NULL;
            if (one != NULL)
                json_object_set_new(values, metric->name, one);
        }
        json_array_append_new(rows,
                              json_pack("{s:s, s:o, s:I, s:I, s:f, s:o}", "arm", cell->arm, "grid",
                                        publish_embed(cell->grid), "n", (json_int_t)cell->n,
                                        "parameters", (json_int_t)run->parameters, "flops_per_step",
                                        run->flops_per_step, "metrics", values));
    }
    return rows;
}

/* Differences arm − baseline, paired by seed. */

static const struct cell *baseline_of(const struct table *t, const struct cell *cell)
{
    for (const struct cell *c = &t->cells[cell->point]; c < t->cells + t->n; c++)
        if (c->point == cell->point && strcmp(c->arm, t->compare.baseline) == 0)
            return c;
    return NULL;
}

static json_t *comparison_json(const struct table *t, const struct cell *cell)
{
    const struct cell *base = baseline_of(t, cell);
    struct sample sample = { 0 }, bases = { 0 };
    size_t agree = 0, at = 0; /* the seeds of both come in the same order: no search starts over */
    for (size_t i = 0; base != NULL && i < cell->runs; i++) {
        const struct run_row *run = run_in(t, cell, i);
        double value, other;
        for (size_t tried = 0; tried < base->runs && run_in(t, base, at)->seed != run->seed;
             tried++)
            at = (at + 1) % base->runs;
        if (run_in(t, base, at)->seed != run->seed || !compared_value(t, run, &value) ||
            !compared_value(t, run_in(t, base, at), &other))
            continue;
        sample_add(&sample, value - other);
        sample_add(&bases, other);
        agree += t->compare.maximise ? value > other : value < other;
    }
    bool relative = bases.n > 0 && bases.mean != 0;
    return json_pack("{s:o, s:s, s:s, s:s, s:I, s:o, s:o, s:n, s:n, s:n, s:I, s:s}", "grid",
                     publish_embed(cell->grid), "baseline", t->compare.baseline, "arm", cell->arm,
                     "metric", t->compare.metric, "n", (json_int_t)sample.n, "mean_difference",
                     number_or_null(sample.n > 0, sample.mean), "relative_difference",
                     number_or_null(relative, sample.mean / fabs(bases.mean)), "ci95", "p",
                     "p_adjusted", "agree", (json_int_t)agree, "verdict", "undetermined");
}

static json_t *comparisons_json(const struct table *t)
{
    json_t *list = json_array();
    for (size_t c = 0; c < t->n; c++)
        if (strcmp(t->cells[c].arm, t->compare.baseline) != 0)
            json_array_append_new(list, comparison_json(t, &t->cells[c]));
    return list;
}

/* The compared metric step by step: for each grid point, a row a step, a mean an arm. */

struct moment {
    int64_t step;
    size_t cell, point;
    double value;
};

static int by_point(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->point != y->point)
        return x->point < y->point ? -1 : 1;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* Curves are by run, as runs are. Returns how many moments were found. */
static size_t find_moments(const struct table *t, struct moment *moments)
{
    const struct report_input *in = t->in;
    size_t n = 0;
    for (size_t i = 0, r = 0; i < in->curves_n; i++) {
        while (r < in->runs_n && in->runs[r].id < in->curves[i].run)
            r++;
        if (r == in->runs_n || in->runs[r].id != in->curves[i].run)
            continue;
        size_t cell = t->cell_of[r];
        moments[n++] =
            (struct moment){ in->curves[i].step, cell, t->cells[cell].point, in->curves[i].value };
    }
    qsort(moments, n, sizeof *moments, by_point);
    return n;
}

/* The rows of the grid point at moments[*at]; leaves *at behind them. */
static json_t *dynamics_rows(const struct table *t, const struct moment *moments, size_t n,
                             size_t *at)
{
    json_t *rows = json_array();
    size_t i = *at, point = moments[i].point;
    while (i < n && moments[i].point == point) {
        int64_t step = moments[i].step;
        json_t *arms = json_object();
        while (i < n && moments[i].point == point && moments[i].step == step) {
            size_t cell = moments[i].cell;
            struct sample sample = { 0 };
            for (; i < n && moments[i].step == step && moments[i].cell == cell; i++)
                sample_add(&sample, moments[i].value);
            json_object_set_new(arms, t->cells[cell].arm,
                                json_pack("{s:o, s:I}", "mean", jsonx_number(sample.mean), "n",
                                          (json_int_t)sample.n));
        }
        json_array_append_new(rows,
                              json_pack("{s:I, s:o}", "step", (json_int_t)step, "arms", arms));
    }
    *at = i;
    return rows;
}

static json_t *dynamics_json(const struct table *t)
{
    struct moment *moments = calloc(t->in->curves_n + 1, sizeof *moments);
    json_t *list = json_array();
    size_t n = moments != NULL ? find_moments(t, moments) : 0;
    for (size_t c = 0, at = 0; c < t->n; c++) {
        if (t->cells[c].point != c)
            continue;
        bool any = at < n && moments[at].point == c;
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:o}", "grid", publish_embed(t->cells[c].grid),
                                        "metric", t->compare.metric, "steps",
                                        any ? dynamics_rows(t, moments, n, &at) : json_array()));
    }
    free(moments);
    return list;
}

/* Audits and the arms' sizes. */

static json_t *audits_json(const struct report_input *in, const char *arm)
{
    json_t *list = json_array();
    for (size_t i = 0; i < in->audits_n; i++)
        if (arm == NULL || (in->audits[i].arm != NULL && strcmp(in->audits[i].arm, arm) == 0))
            json_array_append_new(list, publish_audit_json(&in->audits[i]));
    return list;
}

static json_t *arms_json(const struct table *t)
{
    json_t *arms = json_object();
    for (size_t i = 0; i < t->in->runs_n; i++) {
        const struct run_row *run = &t->in->runs[i];
        if (json_object_get(arms, run->arm) != NULL)
            continue;
        json_object_set_new(arms, run->arm,
                            json_pack("{s:n, s:I, s:f, s:o}", "valid", "parameters",
                                      (json_int_t)run->parameters, "flops_per_step",
                                      run->flops_per_step, "audits", audits_json(t->in, run->arm)));
    }
    return arms;
}

/* The verdict: what can be said, and why not more. */

enum { TOLD_MAX = 12 }; /* differences in a sentence; the table has them all */

static json_t *verdict_json(const struct table *t, const json_t *comparisons)
{
    const int64_t *counts = t->in->experiment->counts;
    int64_t open = counts[RUN_QUEUED] + counts[RUN_RUNNING], all = t->in->experiment->runs_n;
    struct buf text;
    size_t i, told = 0, least = SIZE_MAX;
    json_t *c;
    buf_init(&text, 0);
    if (open > 0)
        buf_addf(&text, "%lld of %lld runs have ended; nothing is claimed before all have.",
                 (long long)(all - open), (long long)all);
    json_array_foreach(comparisons, i, c)
    {
        double difference;
        size_t n = (size_t)json_integer_value(json_object_get(c, "n"));
        if (open > 0 || n == 0 ||
            jsonx_to_double(json_object_get(c, "mean_difference"), &difference) != 0)
            continue;
        least = n < least ? n : least;
        if (told == TOLD_MAX)
            buf_adds(&text, "; …");
        if (told++ >= TOLD_MAX)
            continue;
        buf_addf(&text, "%s%s − %s: %+.4g %s", told > 1 ? "; " : "",
                 json_string_value(json_object_get(c, "arm")), t->compare.baseline, difference,
                 t->compare.metric);
        const char *path;
        json_t *value;
        json_object_foreach(json_object_get(c, "grid"), path, value)
        {
            buf_addf(&text, ", %s = ", path);
            jsonx_dump(value, JSONX_CANONICAL, &text);
        }
    }
    if (told > 0)
        buf_addf(&text, " (mean over %zu seed%s). No claim: %s", least, least == 1 ? "" : "s",
                 least < 6
                     ? "fewer than 6 seeds can't reach 5 %, and the arms haven't been audited."
                     : "the arms haven't been audited.");
    else if (open == 0)
        buf_adds(&text, "There is nothing to compare: no arm has runs that finished beside the "
                        "baseline's.");
    json_t *verdict = json_string(text.data != NULL ? text.data : "");
    buf_done(&text);
    return verdict;
}

static struct compare compare_of(const json_t *spec)
{
    const json_t *compare = json_object_get(spec, "compare");
    const char *goal = json_string_value(json_object_get(compare, "goal"));
    const char *at = json_string_value(json_object_get(compare, "at"));
    const char *metric = json_string_value(json_object_get(compare, "metric"));
    const char *baseline = json_string_value(json_object_get(compare, "baseline"));
    return (struct compare){
        .metric = metric != NULL ? metric : "val/loss",
        .baseline = baseline != NULL ? baseline : "",
        .maximise = goal != NULL && strcmp(goal, "max") == 0,
        .best = at != NULL && strcmp(at, "best") == 0,
    };
}

json_t *report_json(const struct report_input *in)
{
    json_t *spec = publish_embed(in->experiment->spec), *report = NULL;
    struct table t = { .in = in, .compare = compare_of(spec) };
    if (find_cells(&t)) {
        json_t *experiment = publish_experiment_json(in->experiment);
        json_t *comparisons = comparisons_json(&t);
        json_object_del(experiment, "spec");
        report = json_pack("{s:o, s:o, s:o, s:O, s:o, s:o, s:o}", "experiment", experiment,
                           "verdict", verdict_json(&t, comparisons), "table", table_json(&t),
                           "comparisons", comparisons, "dynamics", dynamics_json(&t), "audits",
                           audits_json(in, NULL), "arms", arms_json(&t));
        json_decref(comparisons);
    }
    free(t.cells);
    free(t.cell_of);
    free(t.order);
    json_decref(spec);
    return report;
}
