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
    size_t n;               /* runs in it */
};

struct table {
    const struct report_input *in;
    struct compare compare;
    struct cell *cells;
    size_t n;
};

/* Metrics of the table, if a run has them: which of a run's figures counts, and which is best. */
static const struct {
    const char *name;
    bool mean;     /* the mean over steps (clocks), not the last value */
    bool maximise; /* more is better */
} metrics[] = {
    { "val/loss", false, false },
    { "val/accuracy", false, true },
    { "test/loss", false, false },
    { "test/accuracy", false, true },
    { "train/loss", false, false },
    { "time/step_s", true, false },
    { "throughput/tokens_per_s", true, true },
};

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

static bool in_cell(const struct cell *cell, const struct run_row *run)
{
    return strcmp(cell->arm, run->arm) == 0 && strcmp(cell->grid, run->grid) == 0;
}

static bool find_cells(struct table *t)
{
    t->cells = calloc(t->in->runs_n + 1, sizeof *t->cells);
    for (size_t i = 0; t->cells != NULL && i < t->in->runs_n; i++) {
        const struct run_row *run = &t->in->runs[i];
        size_t at = 0;
        while (at < t->n && !in_cell(&t->cells[at], run))
            at++;
        if (at == t->n)
            t->cells[t->n++] = (struct cell){ run->arm, run->grid, 0 };
        t->cells[at].n += run->state == RUN_SUCCEEDED;
    }
    return t->cells != NULL;
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

static json_t *metric_json(const struct table *t, const struct cell *cell, size_t m)
{
    struct sample last = { 0 }, counted = { 0 };
    double best = NAN;
    bool compared = strcmp(metrics[m].name, t->compare.metric) == 0 && t->compare.best;
    for (size_t i = 0; i < t->in->runs_n; i++) {
        const struct run_row *run = &t->in->runs[i];
        const struct run_final *f = in_cell(cell, run) ? find_final(run, metrics[m].name) : NULL;
        if (f == NULL || run->state != RUN_SUCCEEDED)
            continue;
        double value = metrics[m].mean ? f->mean : f->value;
        double own = metrics[m].maximise ? f->greatest : f->best;
        sample_add(&last, value);
        sample_add(&counted, compared ? own : value);
        if (isnan(best) || (metrics[m].maximise ? own > best : own < best))
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
    json_t *rows = json_array();
    for (size_t c = 0; c < t->n; c++) {
        json_t *values = json_object();
        for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
            json_t *one = metric_json(t, &t->cells[c], m);
            if (one != NULL)
                json_object_set_new(values, metrics[m].name, one);
        }
        json_array_append_new(rows, json_pack("{s:s, s:o, s:I, s:o}", "arm", t->cells[c].arm,
                                              "grid", publish_embed(t->cells[c].grid), "n",
                                              (json_int_t)t->cells[c].n, "metrics", values));
    }
    return rows;
}

/* Differences arm − baseline, paired by seed. */

static json_t *comparison_json(const struct table *t, const struct cell *cell)
{
    struct sample sample = { 0 };
    size_t agree = 0;
    for (size_t i = 0; i < t->in->runs_n; i++) {
        const struct run_row *run = &t->in->runs[i];
        double value, base;
        if (!in_cell(cell, run) || !compared_value(t, run, &value))
            continue;
        for (size_t j = 0; j < t->in->runs_n; j++) {
            const struct run_row *other = &t->in->runs[j];
            if (other->seed != run->seed || strcmp(other->grid, run->grid) != 0 ||
                strcmp(other->arm, t->compare.baseline) != 0 || !compared_value(t, other, &base))
                continue;
            sample_add(&sample, value - base);
            agree += t->compare.maximise ? value > base : value < base;
        }
    }
    return json_pack("{s:o, s:s, s:s, s:s, s:I, s:o, s:n, s:n, s:n, s:I, s:s}", "grid",
                     publish_embed(cell->grid), "baseline", t->compare.baseline, "arm", cell->arm,
                     "metric", t->compare.metric, "n", (json_int_t)sample.n, "mean_difference",
                     number_or_null(sample.n > 0, sample.mean), "ci95", "p", "p_adjusted", "agree",
                     (json_int_t)agree, "verdict", "undetermined");
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

static const struct run_row *run_by_id(const struct report_input *in, int64_t id)
{
    size_t low = 0, high = in->runs_n; /* runs are in ascending order */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (in->runs[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < in->runs_n && in->runs[low].id == id ? &in->runs[low] : NULL;
}

struct moment {
    int64_t step;
    size_t cell;
    double value;
};

static int by_step(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

enum { DYNAMICS_ROWS = 200 };

/* Rows for the cells of one grid point, out of moments that are sorted by step. */
static json_t *dynamics_rows(const struct table *t, const char *grid, const struct moment *moments,
                             size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n;) {
        int64_t step = moments[i].step;
        json_t *arms = json_object();
        while (i < n && moments[i].step == step) {
            size_t cell = moments[i].cell;
            struct sample sample = { 0 };
            for (; i < n && moments[i].step == step && moments[i].cell == cell; i++)
                sample_add(&sample, moments[i].value);
            if (strcmp(t->cells[cell].grid, grid) == 0)
                json_object_set_new(arms, t->cells[cell].arm,
                                    json_pack("{s:o, s:I}", "mean", jsonx_number(sample.mean), "n",
                                              (json_int_t)sample.n));
        }
        if (json_object_size(arms) > 0 && json_array_size(rows) < DYNAMICS_ROWS)
            json_array_append_new(rows,
                                  json_pack("{s:I, s:O}", "step", (json_int_t)step, "arms", arms));
        json_decref(arms);
    }
    return rows;
}

static json_t *dynamics_json(const struct table *t)
{
    const struct report_input *in = t->in;
    struct moment *moments = calloc(in->curves_n + 1, sizeof *moments);
    json_t *list = json_array();
    size_t n = 0;
    for (size_t i = 0; moments != NULL && i < in->curves_n; i++) {
        const struct run_row *run = run_by_id(in, in->curves[i].run);
        for (size_t c = 0; run != NULL && c < t->n; c++)
            if (in_cell(&t->cells[c], run)) {
                moments[n++] = (struct moment){ in->curves[i].step, c, in->curves[i].value };
                break;
            }
    }
    if (moments != NULL)
        qsort(moments, n, sizeof *moments, by_step);
    for (size_t c = 0; moments != NULL && c < t->n; c++) {
        size_t first = 0;
        while (strcmp(t->cells[first].grid, t->cells[c].grid) != 0)
            first++;
        if (first == c)
            json_array_append_new(list, json_pack("{s:o, s:s, s:o}", "grid",
                                                  publish_embed(t->cells[c].grid), "metric",
                                                  t->compare.metric, "steps",
                                                  dynamics_rows(t, t->cells[c].grid, moments, n)));
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
        buf_addf(&text, "%s%s − %s: %+.4g %s", told++ > 0 ? "; " : "",
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
    json_decref(spec);
    return report;
}
