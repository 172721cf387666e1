/* Arranging runs: cells, slots, the choice among tuned configurations, outcomes by seed. */
#include "server/verdict/study.h"

#include "common/json/jsonx.h"
#include "common/spec/metrics.h"
#include "server/objects/objects.h"
#include "server/verdict/statistics/stats.h"
#include "server/verdict/timing/timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct run_final *study_final(const struct run_row *run, const char *metric)
{
    for (size_t i = 0; i < run->finals_n; i++)
        if (strcmp(run->finals[i].name, metric) == 0)
            return &run->finals[i];
    return NULL;
}

void sample_add(struct sample *s, double value)
{
    double before = value - s->mean;
    s->n++;
    s->mean += before / (double)s->n;
    s->squares += before * (value - s->mean);
}

double sample_sd(const struct sample *s)
{
    return s->n > 1 ? sqrt(s->squares / (double)(s->n - 1)) : NAN;
}

json_t *study_number(bool known, double value)
{
    return known ? jsonx_number(value) : json_null();
}

const struct run_row *study_run(const struct study *study, const struct cell *cell, size_t i)
{
    return &study->in->runs[study->order[cell->first + i]];
}

bool study_is_baseline(const struct study *study, const char *arm)
{
    return strcmp(arm, study->compare.baseline) == 0;
}

const struct slot *study_baseline(const struct study *study, const struct slot *slot)
{
    return slot->base != SIZE_MAX ? &study->slots[slot->base] : NULL;
}

static struct layout_run run_of(const void *runs, size_t i)
{
    const struct run_row *run = (const struct run_row *)runs + i;
    return (struct layout_run){ run->arm, run->grid, run->seed };
}

/* The cells that have runs, and these cell by cell. */
static bool find_cells(struct study *t)
{
    const struct layout *l = &t->layout;
    size_t all = l->points_n * l->arms_n, first = 0;
    size_t *runs = calloc(all + 1, sizeof *runs), *number = calloc(all + 1, sizeof *number);
    t->cells = calloc(all + 1, sizeof *t->cells);
    t->cell_of = calloc(l->runs_n + 1, sizeof *t->cell_of);
    t->order = calloc(l->runs_n + 1, sizeof *t->order);
    bool ok = runs != NULL && number != NULL && t->cells != NULL && t->cell_of != NULL &&
              t->order != NULL;
    for (size_t i = 0; ok && i < l->runs_n; i++)
        runs[l->at[i].point * l->arms_n + l->at[i].arm]++;
    for (size_t i = 0; ok && i < all; i++) {
        struct layout_at at = { .point = i / l->arms_n, .arm = i % l->arms_n };
        if (runs[i] == 0)
            continue;
        number[i] = t->n;
        t->cells[t->n++] = (struct cell){
            .arm = l->arms[at.arm], .grid = l->points[at.point], .at = at, .first = first
        };
        first += runs[i];
    }
    for (size_t i = 0; ok && i < l->runs_n; i++) {
        t->cell_of[i] = number[l->at[i].point * l->arms_n + l->at[i].arm];
        struct cell *cell = &t->cells[t->cell_of[i]];
        t->order[cell->first + cell->runs++] = i;
        cell->n += t->in->runs[i].state == RUN_SUCCEEDED;
    }
    free(runs);
    free(number);
    return ok;
}

/* What tuning goes by: the last value of the metric. */
static void measure_cells(struct study *t)
{
    for (size_t c = 0; c < t->n; c++) {
        struct cell *cell = &t->cells[c];
        struct sample sample = { 0 };
        cell->ended.runs = cell->runs;
        for (size_t i = 0; i < cell->runs; i++) {
            const struct run_row *run = study_run(t, cell, i);
            const struct run_final *f = study_final(run, t->compare.metric);
            cell->ended.cancelled += run->state == RUN_CANCELLED;
            if (run->state != RUN_SUCCEEDED || f == NULL)
                continue;
            double value = t->compare.clock ? f->mean : f->value;
            tuning_add(&cell->ended, value);
            if (isfinite(value))
                sample_add(&sample, value);
        }
        cell->sd = sample_sd(&sample);
    }
}

/* The baseline's slot at each slot's place. */
static void find_baselines(struct study *t, const size_t *slot_of)
{
    const struct layout *l = &t->layout;
    size_t arm = 0;
    while (arm < l->arms_n && !study_is_baseline(t, l->arms[arm]))
        arm++;
    for (size_t i = 0; i < l->places_n * l->arms_n; i++)
        if (slot_of[i] != SIZE_MAX)
            t->slots[slot_of[i]].base =
                arm < l->arms_n ? slot_of[i / l->arms_n * l->arms_n + arm] : SIZE_MAX;
}

/* sums, chosen, slot_of: scratch, [points × arms] each, which are as many as places × arms or more. */
static void fill_slots(struct study *t, struct tuning_sum *sums, size_t *chosen, size_t *slot_of)
{
    const struct layout *l = &t->layout;
    for (size_t c = 0; c < t->n; c++)
        sums[t->cells[c].at.point * l->arms_n + t->cells[c].at.arm] = t->cells[c].ended;
    layout_choose(l, sums, t->compare.maximise, chosen);
    for (size_t i = 0; i < l->places_n * l->arms_n; i++) {
        const struct layout_place *place = &l->places[i / l->arms_n];
        slot_of[i] = chosen[i] != SIZE_MAX ? t->slots_n : SIZE_MAX;
        if (chosen[i] != SIZE_MAX)
            t->slots[t->slots_n++] = (struct slot){ .arm = l->arms[i % l->arms_n],
                                                    .grid = place->grid,
                                                    .key = place->key };
    }
    for (size_t c = 0; c < t->n; c++) {
        struct cell *cell = &t->cells[c];
        size_t i = l->place_of[cell->at.point] * l->arms_n + cell->at.arm;
        cell->slot = slot_of[i];
        t->slots[cell->slot].cells++;
        if (chosen[i] == cell->at.point)
            t->slots[cell->slot].chosen = c;
    }
    find_baselines(t, slot_of);
}

static bool find_slots(struct study *t)
{
    size_t all = t->layout.points_n * t->layout.arms_n + 1;
    struct tuning_sum *sums = calloc(all, sizeof *sums);
    size_t *chosen = calloc(all, sizeof *chosen), *slot_of = calloc(all, sizeof *slot_of);
    t->slots = calloc(t->n + 1, sizeof *t->slots);
    bool ok = sums != NULL && chosen != NULL && slot_of != NULL && t->slots != NULL;
    if (ok)
        fill_slots(t, sums, chosen, slot_of);
    free(sums);
    free(chosen);
    free(slot_of);
    return ok;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Claims take seeds in ascending order. */
static bool rank_seeds(struct study *t)
{
    size_t n = t->layout.seeds_n;
    int64_t *sorted = calloc(n + 1, sizeof *sorted);
    t->seeds_n = n;
    t->rank = calloc(n + 1, sizeof *t->rank);
    bool ok = sorted != NULL && t->rank != NULL;
    if (ok && n > 0) {
        memcpy(sorted, t->layout.seeds, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_value);
        for (size_t i = 0; i < n; i++) {
            const int64_t *at = bsearch(&t->layout.seeds[i], sorted, n, sizeof *sorted, by_value);
            t->rank[i] = (size_t)(at - sorted);
        }
    }
    free(sorted);
    return ok;
}

static struct outcome outcome_of(const struct study *t, const struct run_row *run)
{
    static const enum outcome_kind kinds[RUN_STATES] = {
        [RUN_QUEUED] = OUTCOME_OPEN,         [RUN_RUNNING] = OUTCOME_OPEN,
        [RUN_SUCCEEDED] = OUTCOME_MEASURED,  [RUN_FAILED] = OUTCOME_LOST,
        [RUN_CANCELLED] = OUTCOME_CANCELLED,
    };
    const struct compare *c = &t->compare;
    struct outcome outcome = { kinds[run->state], 0, NAN };
    const struct run_final *f = study_final(run, c->judged);
    if (outcome.kind != OUTCOME_MEASURED)
        return outcome;
    if (f == NULL)
        outcome.kind = OUTCOME_LOST;
    else if (!c->best || !isfinite(f->value)) /* its best doesn't excuse what diverged */
        outcome.value = c->clock ? f->mean : f->value;
    else
        outcome.value = c->maximise ? f->greatest : f->best;
    outcome.disturbed = c->clock ? timing_of_run(t->in, run->id) : 0;
    return outcome;
}

static struct outcome *outcome_at(const struct study *t, size_t run)
{
    size_t slot = t->cells[t->cell_of[run]].slot;
    return &t->outcomes[slot * t->seeds_n + t->rank[t->layout.at[run].seed]];
}

/* A slot's outcomes are those of its chosen cell; but a seed that was cancelled in any of its cells
 * counts as cancelled: else cancelling what looks bad would leave the claim clean. */
static bool find_outcomes(struct study *t)
{
    t->outcomes = calloc(t->slots_n * t->seeds_n + 1, sizeof *t->outcomes);
    if (t->outcomes == NULL)
        return false;
    for (size_t i = 0; i < t->slots_n * t->seeds_n; i++)
        t->outcomes[i] = (struct outcome){ .kind = OUTCOME_NONE, .value = NAN };
    for (size_t i = 0; i < t->in->runs_n; i++)
        if (t->slots[t->cells[t->cell_of[i]].slot].chosen == t->cell_of[i])
            *outcome_at(t, i) = outcome_of(t, &t->in->runs[i]);
    for (size_t i = 0; i < t->in->runs_n; i++) {
        struct outcome *outcome = outcome_at(t, i);
        if (t->in->runs[i].state == RUN_CANCELLED && outcome->kind < OUTCOME_CANCELLED)
            *outcome = (struct outcome){ .kind = OUTCOME_CANCELLED, .value = NAN };
    }
    return true;
}

static void read_compare(const json_t *spec, struct compare *ret)
{
    const json_t *compare = json_object_get(spec, "compare");
    const char *goal = json_string_value(json_object_get(compare, "goal"));
    const char *at = json_string_value(json_object_get(compare, "at"));
    const char *baseline = json_string_value(json_object_get(compare, "baseline"));
    const json_t *tune = json_object_get(compare, "tune");
    *ret = (struct compare){
        .metric = ret->metrics.chosen_by,
        .judged = ret->metrics.compared,
        .baseline = baseline != NULL ? baseline : "",
        .maximise = goal != NULL && strcmp(goal, "max") == 0,
        .best = at != NULL && strcmp(at, "best") == 0,
        .margin = json_number_value(json_object_get(compare, "margin")),
        .tune = json_array_size(tune) > 0 ? tune : NULL,
    };
    tuning_metrics(spec, &ret->metrics);
    ret->best &= strncmp(ret->judged, "test/", 5) != 0;
    ret->clock = metric_is_clock(ret->judged);
    ret->share = metric_is_share(ret->judged);
}

/* The looks that were declared, and which of them this is. */
static void find_look(struct study *study)
{
    const json_t *looks = json_object_get(json_object_get(study->spec, "compare"), "looks"), *one;
    struct compare *c = &study->compare;
    size_t i;
    c->submitted = json_array_size(json_object_get(study->spec, "seeds"));
    c->looks = json_array_size(looks) > 0 ? json_array_size(looks) : 1;
    c->level = stats_level(c->looks);
    json_array_foreach((json_t *)(uintptr_t)looks, i, one)
    {
        if (json_integer_value(one) == (json_int_t)study->seeds_n)
            c->look = i + 1;
    }
}

bool study_was_declared(const struct study *study)
{
    const struct compare *c = &study->compare;
    return c->look > 0 || c->submitted == 0 || (c->looks == 1 && study->seeds_n <= c->submitted);
}

bool study_init(struct study *study, const struct study_input *in)
{
    *study = (struct study){ .in = in, .spec = objects_embed(in->experiment->spec) };
    read_compare(study->spec, &study->compare);
    if (layout_init(&study->layout, run_of, in->runs, in->runs_n, study->compare.tune, NULL) != 0 ||
        !find_cells(study) || !rank_seeds(study))
        return false;
    find_look(study);
    measure_cells(study);
    return find_slots(study) && find_outcomes(study);
}

void study_done(struct study *study)
{
    layout_done(&study->layout);
    free(study->slots);
    free(study->cells);
    free(study->cell_of);
    free(study->order);
    free(study->rank);
    free(study->outcomes);
    json_decref(study->spec);
}
