/* Arranging runs: cells, slots, the choice among tuned configurations, outcomes by seed. */
#include "server/verdict/study.h"

#include "common/audit/recompute.h"
#include "common/json/jsonx.h"
#include "common/spec/metrics.h"
#include "server/objects/objects.h"
#include "server/verdict/timing.h"

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

char *study_key(const json_t *value)
{
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(value, JSONX_CANONICAL, &text);
    return buf_take(&text, NULL);
}

json_t *study_reduced(const struct compare *compare, const char *grid)
{
    json_t *point = objects_embed(grid);
    for (size_t i = 0; i < json_array_size(compare->tune); i++)
        json_object_del(point, json_string_value(json_array_get(compare->tune, i)));
    return point;
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

/* The number of (arm, point) by first appearance, and of the first pair at the same point. */
struct places {
    json_t *pairs, *points;
    size_t *first; /* [limit] of each point */
    struct buf key;
};

static bool places_init(struct places *p, size_t limit)
{
    *p = (struct places){ .pairs = json_object(), .points = json_object() };
    p->first = calloc(limit + 1, sizeof *p->first);
    buf_init(&p->key, 0);
    return p->first != NULL;
}

static void places_done(struct places *p)
{
    json_decref(p->pairs);
    json_decref(p->points);
    free(p->first);
    buf_done(&p->key);
}

static size_t place(struct places *p, const char *arm, const char *point, size_t *ret_first)
{
    buf_clear(&p->key);
    buf_addf(&p->key, "%s\n%s", arm, point);
    size_t at = p->key.failed ? 0 : number_of(p->pairs, p->key.data, p->key.len);
    size_t known = json_object_size(p->points);
    size_t number = number_of(p->points, point, strlen(point));
    if (number == known)
        p->first[number] = at;
    *ret_first = p->first[number];
    return at;
}

static bool find_cells(struct study *t)
{
    const struct study_input *in = t->in;
    struct places places;
    t->cells = calloc(in->runs_n + 1, sizeof *t->cells);
    t->cell_of = calloc(in->runs_n + 1, sizeof *t->cell_of);
    t->order = calloc(in->runs_n + 1, sizeof *t->order);
    bool ok = places_init(&places, in->runs_n);
    ok &= t->cells != NULL && t->cell_of != NULL && t->order != NULL;
    for (size_t i = 0; ok && i < in->runs_n; i++) {
        const struct run_row *run = &in->runs[i];
        size_t point, at = place(&places, run->arm, run->grid, &point);
        if (at == t->n)
            t->cells[t->n++] = (struct cell){ .arm = run->arm, .grid = run->grid, .point = point };
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
    places_done(&places);
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

/* The baseline's slot of each point: noted at the point's first slot, then by all. */
static void find_baselines(struct study *t)
{
    for (size_t s = 0; s < t->slots_n; s++)
        t->slots[s].base = SIZE_MAX;
    for (size_t s = 0; s < t->slots_n; s++)
        if (study_is_baseline(t, t->slots[s].arm))
            t->slots[t->slots[s].point].base = s;
    for (size_t s = 0; s < t->slots_n; s++)
        t->slots[s].base = t->slots[t->slots[s].point].base;
}

static bool find_slots(struct study *t)
{
    struct places places;
    t->slots = calloc(t->n + 1, sizeof *t->slots);
    bool ok = places_init(&places, t->n);
    ok &= t->slots != NULL;
    for (size_t c = 0; ok && c < t->n; c++) {
        struct cell *cell = &t->cells[c];
        json_t *grid = study_reduced(&t->compare, cell->grid);
        char *key = study_key(grid);
        if (key == NULL) {
            json_decref(grid);
            ok = false;
            break;
        }
        size_t point, at = place(&places, cell->arm, key, &point);
        cell->slot = at;
        struct slot *slot = &t->slots[at];
        if (at == t->slots_n) {
            *slot = (struct slot){
                .arm = cell->arm, .grid = grid, .key = key, .point = point, .chosen = c, .cells = 1
            };
            t->slots_n++;
            continue;
        }
        slot->cells++;
        if (tuning_prefers(&cell->ended, &t->cells[slot->chosen].ended, t->compare.maximise))
            slot->chosen = c;
        json_decref(grid);
        free(key);
    }
    places_done(&places);
    find_baselines(t);
    return ok;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool find_seeds(struct study *t)
{
    t->seeds = calloc(t->in->runs_n + 1, sizeof *t->seeds);
    if (t->seeds == NULL)
        return false;
    for (size_t i = 0; i < t->in->runs_n; i++)
        t->seeds[i] = t->in->runs[i].seed;
    qsort(t->seeds, t->in->runs_n, sizeof *t->seeds, by_value);
    for (size_t i = 0; i < t->in->runs_n; i++)
        if (t->seeds_n == 0 || t->seeds[t->seeds_n - 1] != t->seeds[i])
            t->seeds[t->seeds_n++] = t->seeds[i];
    return true;
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
    const int64_t *seed =
        bsearch(&t->in->runs[run].seed, t->seeds, t->seeds_n, sizeof *t->seeds, by_value);
    size_t slot = t->cells[t->cell_of[run]].slot;
    return &t->outcomes[slot * t->seeds_n + (size_t)(seed - t->seeds)];
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
    ret->best &= !ret->metrics.held_out; /* test is measured once, at the end */
    ret->clock = recompute_exempts(ret->judged);
    ret->share = metric_is_share(ret->judged);
}

bool study_init(struct study *study, const struct study_input *in)
{
    *study = (struct study){ .in = in, .spec = objects_embed(in->experiment->spec) };
    read_compare(study->spec, &study->compare);
    if (!find_cells(study) || !find_seeds(study))
        return false;
    measure_cells(study);
    return find_slots(study) && find_outcomes(study);
}

void study_done(struct study *study)
{
    for (size_t i = 0; i < study->slots_n; i++) {
        json_decref(study->slots[i].grid);
        free(study->slots[i].key);
    }
    free(study->slots);
    free(study->cells);
    free(study->cell_of);
    free(study->order);
    free(study->seeds);
    free(study->outcomes);
    json_decref(study->spec);
}
