/* The frame: runs are laid out as arms × grid points × seeds, configurations are chosen, and then
 * each check of the table looks at that. */
#include "server/verdict/fairness/fairness.h"

#include "common/json/jsonx.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int (*const checks[])(struct plan *, struct err *) = {
    fairness_shared_init, fairness_same_batches, fairness_budget,
    fairness_tuning,      fairness_power,        fairness_gaps,
};

/* findings */

void plan_add(struct plan *p, const char *name, enum audit_status status, const char *arm,
              const char *grid, struct buf *detail, json_t *evidence)
{
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(evidence, JSONX_CANONICAL, &text);
    json_decref(evidence);
    struct audit_row *more = realloc(p->findings, (p->findings_n + 1) * sizeof *more);
    if (more != NULL)
        p->findings = more;
    struct audit_row row = {
        .name = strdup(name),
        .status = strdup(audit_status_names[status]),
        .arm = arm != NULL ? strdup(arm) : NULL,
        .grid = grid != NULL ? strdup(grid) : NULL,
        .detail = buf_take(detail, NULL),
        .evidence = buf_take(&text, NULL),
    };
    buf_done(detail);
    buf_done(&text);
    if (more == NULL || row.name == NULL || row.status == NULL || row.detail == NULL ||
        row.evidence == NULL || (arm != NULL && row.arm == NULL) ||
        (grid != NULL && row.grid == NULL)) {
        audit_row_done(&row);
        p->failed = true;
        return;
    }
    p->findings[p->findings_n++] = row;
}

void plan_skip(struct plan *p, const char *name, const char *why)
{
    struct buf text;
    buf_init(&text, 0);
    buf_adds(&text, why);
    plan_add(p, name, AUDIT_SKIPPED, NULL, NULL, &text, json_object());
}

json_t *plan_json(const char *text)
{
    json_t *value = NULL;
    if (jsonx_load(text, strlen(text), &value, NULL) != 0)
        return json_null();
    return value;
}

void plan_say_grid(const json_t *grid, const char *before, struct buf *to)
{
    json_t *value;
    const char *path, *separator = before;
    json_object_foreach((json_t *)(uintptr_t)grid, path, value)
    {
        const char *last = strrchr(path, '.');
        buf_addf(to, "%s%s ", separator, last != NULL ? last + 1 : path);
        jsonx_dump(value, JSONX_CANONICAL, to);
        separator = ", ";
    }
}

/* the plan */

/* The number that stands for a text, by first appearance; *n counts them. */
static size_t number_of(json_t *seen, const char *text, size_t *n)
{
    json_t *known = json_object_get(seen, text);
    if (known != NULL)
        return (size_t)json_integer_value(known);
    json_object_set_new_nocheck(seen, text, json_integer((json_int_t)*n));
    return (*n)++;
}

/* Where each run stands, as three numbers. */
struct placed {
    size_t arm, point, seed;
};

static bool lay_out(struct plan *p, struct placed *at)
{
    const struct fairness_input *in = p->in;
    json_t *arms = json_object(), *points = json_object(), *seeds = json_object();
    for (size_t i = 0; i < in->runs_n; i++) {
        char seed[24];
        snprintf(seed, sizeof seed, "%lld", (long long)in->runs[i].seed);
        at[i].arm = number_of(arms, in->runs[i].arm, &p->arms_n);
        at[i].point = number_of(points, in->runs[i].grid, &p->points_n);
        at[i].seed = number_of(seeds, seed, &p->seeds_n);
        p->arms[at[i].arm] = in->runs[i].arm;
        p->points[at[i].point] = in->runs[i].grid;
        p->seeds[at[i].seed] = in->runs[i].seed;
    }
    json_decref(arms);
    json_decref(points);
    json_decref(seeds);
    p->runs = calloc(p->seeds_n * p->points_n * p->arms_n + 1, sizeof *p->runs);
    for (size_t i = 0; p->runs != NULL && i < in->runs_n; i++)
        p->runs[(at[i].seed * p->points_n + at[i].point) * p->arms_n + at[i].arm] = &in->runs[i];
    return p->runs != NULL;
}

/* A frozen spec is sound; one that can't be read all the same leaves its cell unknown. */
static int read_cells(struct plan *p, struct err *err)
{
    for (size_t point = 0; point < p->points_n; point++)
        for (size_t arm = 0; arm < p->arms_n; arm++) {
            const struct digests_row *run = plan_run(p, 0, point, arm);
            struct cell *cell = &p->cells[point * p->arms_n + arm];
            json_t *spec = NULL;
            int status = run != NULL ? p->in->spec_of(p->in->arg, run->run, &spec, err) : 0;
            if (status != 0)
                return status;
            cell->known = spec != NULL && run_spec_decode(spec, "", &cell->spec, NULL) == 0;
            json_decref(spec);
        }
    return 0;
}

bool plan_tunes(const struct plan *p, const char *path)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(json_object_get(p->in->spec, "compare"), "tune"), i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), path) == 0)
            return true;
    }
    return false;
}

json_t *plan_place(const struct plan *p, size_t point)
{
    json_t *grid = plan_json(p->points[point]), *value;
    const char *path;
    void *next;
    json_object_foreach_safe(grid, next, path, value)
    {
        if (plan_tunes(p, path))
            json_object_del(grid, path);
    }
    return grid;
}

static void find_places(struct plan *p)
{
    json_t *places = json_object();
    for (size_t point = 0; point < p->points_n; point++) {
        json_t *grid = plan_place(p, point);
        struct buf key;
        buf_init(&key, 0);
        jsonx_dump(grid, JSONX_CANONICAL, &key);
        size_t known = p->places_n;
        p->place_of[point] = number_of(places, key.data != NULL ? key.data : "", &p->places_n);
        if (p->places_n > known)
            p->place_points[known] = point;
        buf_done(&key);
        json_decref(grid);
    }
    json_decref(places);
}

/* What came of an arm's runs at a point. */
static struct tuning_sum sum_at(const struct plan *p, size_t point, size_t arm)
{
    struct tuning_sum sum = { 0 };
    for (size_t seed = 0; seed < p->seeds_n; seed++) {
        const struct digests_row *run = plan_run(p, seed, point, arm);
        sum.runs += run != NULL;
        sum.cancelled += run != NULL && run->state == RUN_CANCELLED;
        if (plan_counts(run))
            tuning_add(&sum, run->value);
    }
    return sum;
}

static void choose(struct plan *p)
{
    const char *goal =
        json_string_value(json_object_get(json_object_get(p->in->spec, "compare"), "goal"));
    bool maximise = goal != NULL && strcmp(goal, "max") == 0;
    for (size_t i = 0; i < p->places_n * p->arms_n; i++)
        p->chosen[i] = SIZE_MAX;
    for (size_t point = 0; point < p->points_n; point++)
        for (size_t arm = 0; arm < p->arms_n; arm++) {
            size_t at = p->place_of[point] * p->arms_n + arm;
            struct tuning_sum sum = sum_at(p, point, arm);
            if (tuning_is_empty(&sum))
                continue;
            p->tried[at]++;
            if (p->chosen[at] == SIZE_MAX || tuning_prefers(&sum, &p->best[at], maximise)) {
                p->chosen[at] = point;
                p->best[at] = sum;
            }
        }
}

static void find_baseline(struct plan *p)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(p->in->spec, "compare"), "baseline"));
    for (size_t arm = 0; arm < p->arms_n && name != NULL; arm++)
        if (strcmp(p->arms[arm], name) == 0)
            p->baseline = arm;
}

static void plan_done(struct plan *p)
{
    free(p->arms);
    free(p->points);
    free(p->seeds);
    free(p->runs);
    free(p->cells);
    free(p->place_of);
    free(p->place_points);
    free(p->chosen);
    free(p->best);
    free(p->tried);
}

static int plan_init(struct plan *p, struct err *err)
{
    size_t n = p->in->runs_n + 1;
    struct placed *at = calloc(n, sizeof *at);
    p->arms = calloc(n, sizeof *p->arms);
    p->points = calloc(n, sizeof *p->points);
    p->seeds = calloc(n, sizeof *p->seeds);
    p->place_of = calloc(n, sizeof *p->place_of);
    p->place_points = calloc(n, sizeof *p->place_points);
    bool ok = at != NULL && p->arms != NULL && p->points != NULL && p->seeds != NULL &&
              p->place_of != NULL && p->place_points != NULL && lay_out(p, at);
    free(at);
    n = p->points_n * p->arms_n + 1;
    p->cells = calloc(n, sizeof *p->cells);
    p->chosen = calloc(n, sizeof *p->chosen);
    p->best = calloc(n, sizeof *p->best);
    p->tried = calloc(n, sizeof *p->tried);
    if (!ok || p->cells == NULL || p->chosen == NULL || p->best == NULL || p->tried == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory to compare %zu runs", p->in->runs_n);
    find_baseline(p);
    find_places(p);
    choose(p);
    return read_cells(p, err);
}

int fairness_find(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                  struct err *err)
{
    struct plan p = { .in = in };
    int status = plan_init(&p, err);
    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == 0; i++)
        status = checks[i](&p, err);
    if (status == 0 && p.failed)
        status = err_set(err, ERR_NO_MEMORY, "no memory for the audits of %zu runs", in->runs_n);
    plan_done(&p);
    if (status != 0) {
        while (p.findings_n > 0)
            audit_row_done(&p.findings[--p.findings_n]);
        free(p.findings);
        return status;
    }
    *ret = p.findings;
    *ret_n = p.findings_n;
    return 0;
}
