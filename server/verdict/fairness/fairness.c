/* The frame: runs are laid out as arms × grid points × seeds, configurations are chosen, and then
 * each check of the table looks at that. */
#include "server/verdict/fairness/fairness.h"

#include "common/json/jsonx.h"
#include "common/spec/spec_json.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int (*const checks[])(struct plan *, struct err *) = {
    fairness_shared_init,      fairness_same_batches, fairness_distinct_seeds, fairness_learned,
    fairness_budget,           fairness_tuning,       fairness_selection,      fairness_one_change,
    fairness_same_environment, fairness_power,        fairness_gaps,
};
/* In the order in which a report tells them. */
static int (*const of_plan[])(struct plan *, struct err *) = {
    fairness_planned_overlap, fairness_planned_seeds, fairness_budget,
    fairness_planned_tuning,  fairness_selection,     fairness_one_change,
    fairness_planned_power,
};

/* findings */

void plan_add(struct plan *p, enum audit audit, enum audit_status status, const char *arm,
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
        .name = strdup(audit_table[audit]->name),
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

void plan_skip(struct plan *p, enum audit audit, const char *why)
{
    struct buf text;
    buf_init(&text, 0);
    buf_adds(&text, why);
    plan_add(p, audit, AUDIT_SKIPPED, NULL, NULL, &text, json_object());
}

/* the plan */

/* A frozen spec is sound; one that can't be read all the same leaves its cell unknown. */
static int read_cells(struct plan *p, struct err *err)
{
    for (size_t point = 0; point < p->layout.points_n; point++)
        for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
            const struct digests_row *run = plan_run(p, 0, point, arm);
            struct planned_cell *cell = &p->cells[point * p->layout.arms_n + arm];
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

/* What came of an arm's runs at a point. */
static struct tuning_sum sum_at(const struct plan *p, size_t point, size_t arm)
{
    struct tuning_sum sum = { 0 };
    for (size_t seed = 0; seed < p->layout.seeds_n; seed++) {
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
    const struct layout *l = &p->layout;
    const char *goal =
        json_string_value(json_object_get(json_object_get(p->in->spec, "compare"), "goal"));
    for (size_t point = 0; point < l->points_n; point++)
        for (size_t arm = 0; arm < l->arms_n; arm++) {
            struct tuning_sum *sum = &p->sums[point * l->arms_n + arm];
            *sum = sum_at(p, point, arm);
            p->tried[l->place_of[point] * l->arms_n + arm] += !tuning_is_empty(sum);
        }
    layout_choose(l, p->sums, goal != NULL && strcmp(goal, "max") == 0, p->chosen);
    for (size_t i = 0; i < l->places_n * l->arms_n; i++)
        if (p->tried[i] == 0)
            p->chosen[i] = SIZE_MAX;
}

static void find_baseline(struct plan *p)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(p->in->spec, "compare"), "baseline"));
    for (size_t arm = 0; arm < p->layout.arms_n && name != NULL; arm++)
        if (strcmp(p->layout.arms[arm], name) == 0)
            p->baseline = arm;
}

static void plan_done(struct plan *p)
{
    layout_done(&p->layout);
    free(p->cells);
    free(p->chosen);
    free(p->sums);
    free(p->tried);
}

static struct layout_run run_of(const void *runs, size_t i)
{
    const struct digests_row *run = (const struct digests_row *)runs + i;
    return (struct layout_run){ run->arm, run->grid, run->seed };
}

static int plan_init(struct plan *p, struct err *err)
{
    const json_t *tune = json_object_get(json_object_get(p->in->spec, "compare"), "tune");
    int status = layout_init(&p->layout, run_of, p->in->runs, p->in->runs_n, tune, err);
    if (status != 0)
        return status;
    size_t n = p->layout.points_n * p->layout.arms_n + 1;
    p->cells = calloc(n, sizeof *p->cells);
    p->chosen = calloc(n, sizeof *p->chosen);
    p->sums = calloc(n, sizeof *p->sums);
    p->tried = calloc(n, sizeof *p->tried);
    if (p->cells == NULL || p->chosen == NULL || p->sums == NULL || p->tried == NULL)
        return err_no_memory(err, "a comparison of %zu runs", p->in->runs_n);
    find_baseline(p);
    choose(p);
    return read_cells(p, err);
}

static int find(const struct fairness_input *in, int (*const *these)(struct plan *, struct err *),
                size_t n, struct audit_row **ret, size_t *ret_n, struct err *err)
{
    struct plan p = { .in = in };
    int status = plan_init(&p, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = these[i](&p, err);
    if (status == 0 && p.failed)
        status = err_no_memory(err, "the audits of %zu runs", in->runs_n);
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

int fairness_find(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                  struct err *err)
{
    return find(in, checks, sizeof checks / sizeof *checks, ret, ret_n, err);
}

int fairness_planned(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                     struct err *err)
{
    return find(in, of_plan, sizeof of_plan / sizeof *of_plan, ret, ret_n, err);
}
