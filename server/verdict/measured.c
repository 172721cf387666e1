/* What was measured, before anything is concluded from it: the table, the dynamics, the tuning. */
#include "server/verdict/measured.h"

#include "common/json/jsonx.h"
#include "common/spec/metrics.h"
#include "server/objects/objects.h"
#include "server/verdict/checks.h"
#include "server/verdict/timing/disturbances.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Metrics of the table, if a run has them. The compared one follows when it isn't one of these. */
static const enum metric shown[] = { METRIC_VAL_LOSS,      METRIC_VAL_ACCURACY, METRIC_TEST_LOSS,
                                     METRIC_TEST_ACCURACY, METRIC_TRAIN_LOSS,   METRIC_STEP_S,
                                     METRIC_TOKENS_PER_S };
enum { SHOWN = sizeof shown / sizeof *shown };

static json_t *metric_json(const struct study *t, const struct cell *cell, const char *name,
                           bool maximise)
{
    struct sample last = { 0 }, counted = { 0 };
    double best = NAN;
    bool clock = metric_is_clock(name);
    bool compared = strcmp(name, t->compare.metric) == 0 && t->compare.best;
    for (size_t i = 0; i < cell->runs; i++) {
        const struct run_row *run = study_run(t, cell, i);
        const struct run_final *f = study_final(run, name);
        if (f == NULL || run->state != RUN_SUCCEEDED)
            continue;
        double value = clock ? f->mean : f->value;
        double own = maximise ? f->greatest : f->best;
        sample_add(&last, value);
        sample_add(&counted, compared && isfinite(value) ? own : value);
        if (isnan(best) || (maximise ? own > best : own < best))
            best = own;
    }
    if (counted.n == 0)
        return NULL;
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "mean", jsonx_number(counted.mean), "sd",
                     study_number(counted.n > 1, sample_sd(&counted)), "best",
                     study_number(!isnan(best), best), "last", jsonx_number(last.mean), "n",
                     (json_int_t)counted.n);
}

static int64_t spec_int(const json_t *spec, const char *section, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(spec, section), key));
}

/* Tokens that a run reads in training: batch × length × steps; the grid's values count before the
 * arm's, these before the base's. */
static int64_t tokens_of(const struct study *t, const struct run_row *run, const json_t *grid)
{
    static const char *const sections[] = { "data", "train", "train" };
    static const char *const keys[] = { "seq_len", "batch_size", "batch_tokens" };
    const json_t *own = json_object_get(json_object_get(t->spec, "arms"), run->arm);
    int64_t v[3];
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s.%s", sections[i], keys[i]);
        const json_t *value = json_object_get(grid, path);
        if (value == NULL)
            value = json_object_get(own, path);
        v[i] = value != NULL ? json_integer_value(value) : spec_int(t->spec, sections[i], keys[i]);
    }
    return (v[2] > 0 ? v[2] : v[0] * v[1]) * run->steps;
}

/* The metrics of a cell's row. */
static json_t *metrics_of(const struct study *t, const struct cell *cell)
{
    json_t *values = json_object();
    for (size_t m = 0; m <= SHOWN; m++) {
        const struct metric_info *info = m < SHOWN ? &metric_table[shown[m]] : NULL;
        const char *name = info != NULL ? info->name : t->compare.metric;
        bool maximise = info != NULL ? info->goal == AIM_MAX : t->compare.maximise;
        json_t *one =
            json_object_get(values, name) == NULL ? metric_json(t, cell, name, maximise) : NULL;
        if (one != NULL)
            json_object_set_new(values, name, one);
    }
    return values;
}

json_t *measured_table(const struct findings *findings)
{
    const struct study *t = findings->study;
    json_t *rows = json_array();
    for (size_t c = 0; c < t->n; c++) {
        const struct cell *cell = &t->cells[c];
        const struct run_row *run = study_run(t, cell, 0);
        json_t *grid = objects_embed(cell->grid);
        int64_t tokens = tokens_of(t, run, grid);
        json_array_append_new(
            rows, json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:f, s:I, s:o, s:o}", "arm", cell->arm,
                            "grid", grid, "valid", checks_valid_at(findings, cell), "n",
                            (json_int_t)cell->n, "diverged", (json_int_t)cell->ended.diverged,
                            "parameters", (json_int_t)run->parameters, "flops_per_step",
                            run->flops_per_step, "tokens", (json_int_t)tokens, "timing",
                            disturbances_json(t, cell), "metrics", metrics_of(t, cell)));
    }
    return rows;
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
static size_t find_moments(const struct study *t, struct moment *moments)
{
    const struct study_input *in = t->in;
    size_t n = 0;
    for (size_t i = 0, r = 0; i < in->curves_n; i++) {
        while (r < in->runs_n && in->runs[r].id < in->curves[i].run)
            r++;
        if (r == in->runs_n || in->runs[r].id != in->curves[i].run)
            continue;
        size_t cell = t->cell_of[r];
        moments[n++] = (struct moment){ in->curves[i].step, cell, t->cells[cell].at.point,
                                        in->curves[i].value };
    }
    qsort(moments, n, sizeof *moments, by_point);
    return n;
}

/* The rows of the grid point at moments[*at]; leaves *at behind them. */
static json_t *dynamics_rows(const struct study *t, const struct moment *moments, size_t n,
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
            double least = INFINITY, most = -INFINITY;
            for (; i < n && moments[i].step == step && moments[i].cell == cell; i++) {
                sample_add(&sample, moments[i].value);
                least = fmin(least, moments[i].value);
                most = fmax(most, moments[i].value);
            }
            json_object_set_new(arms, t->cells[cell].arm,
                                json_pack("{s:o, s:o, s:o, s:I}", "mean", jsonx_number(sample.mean),
                                          "min", jsonx_number(least), "max", jsonx_number(most),
                                          "n", (json_int_t)sample.n));
        }
        json_array_append_new(rows,
                              json_pack("{s:I, s:o}", "step", (json_int_t)step, "arms", arms));
    }
    *at = i;
    return rows;
}

json_t *measured_dynamics(const struct study *t)
{
    struct moment *moments = calloc(t->in->curves_n + 1, sizeof *moments);
    json_t *list = json_array();
    size_t n = moments != NULL ? find_moments(t, moments) : 0;
    for (size_t c = 0, at = 0; c < t->n; c++) {
        size_t point = t->cells[c].at.point;
        if (c > 0 && t->cells[c - 1].at.point == point)
            continue;
        bool any = at < n && moments[at].point == point;
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:o}", "grid", objects_embed(t->cells[c].grid),
                                        "metric", t->compare.metric, "steps",
                                        any ? dynamics_rows(t, moments, n, &at) : json_array()));
    }
    free(moments);
    return list;
}

/* Does a tuned path's value lie at the end of what was tried? Only where more than one was. */
static bool at_edge(const struct study *t, const json_t *values)
{
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, path, value)
    {
        const json_t *tried = json_object_get(json_object_get(t->spec, "grid"), path);
        double own = json_number_value(value), least = INFINITY, most = -INFINITY;
        for (size_t i = 0; i < json_array_size(tried); i++) {
            least = fmin(least, json_number_value(json_array_get(tried, i)));
            most = fmax(most, json_number_value(json_array_get(tried, i)));
        }
        if (json_is_number(value) && least < most && (own <= least || own >= most))
            return true;
    }
    return false;
}

json_t *measured_chosen(const struct study *t, const struct cell *cell)
{
    if (t->compare.tune == NULL)
        return json_null();
    json_t *values = json_object(), *grid = objects_embed(cell->grid);
    for (size_t i = 0; i < json_array_size(t->compare.tune); i++) {
        const char *path = json_string_value(json_array_get(t->compare.tune, i));
        json_object_set(values, path, json_object_get(grid, path));
    }
    json_decref(grid);
    return values;
}

static json_t *tried_json(const struct study *t, size_t c)
{
    const struct cell *cell = &t->cells[c];
    const struct slot *slot = &t->slots[cell->slot];
    json_t *values = measured_chosen(t, cell);
    bool edge = at_edge(t, values), known = cell->ended.finite > 0;
    return json_pack("{s:s, s:O, s:o, s:I, s:I, s:I, s:o, s:o, s:b, s:b}", "arm", cell->arm, "grid",
                     slot->grid, "values", values, "n", (json_int_t)cell->n, "planned",
                     (json_int_t)cell->runs, "diverged", (json_int_t)cell->ended.diverged, "mean",
                     study_number(known, cell->ended.mean), "sd",
                     study_number(!isnan(cell->sd), cell->sd), "chosen",
                     (int)(slot->chosen == c && known), "edge", (int)edge);
}

json_t *measured_tuning(const struct study *t)
{
    if (t->compare.tune == NULL)
        return json_null();
    json_t *tried = json_array();
    size_t *next = calloc(t->slots_n + 1, sizeof *next), *sorted = calloc(t->n + 1, sizeof *sorted);
    if (next != NULL && sorted != NULL) { /* cells slot by slot, in their order */
        for (size_t s = 1; s < t->slots_n; s++)
            next[s] = next[s - 1] + t->slots[s - 1].cells;
        for (size_t c = 0; c < t->n; c++)
            sorted[next[t->cells[c].slot]++] = c;
        for (size_t i = 0; i < t->n; i++)
            json_array_append_new(tried, tried_json(t, sorted[i]));
    }
    free(next);
    free(sorted);
    return json_pack("{s:O, s:s, s:s, s:o}", "paths", t->compare.tune, "chosen_by",
                     t->compare.metric, "compared", t->compare.judged, "tried", tried);
}
