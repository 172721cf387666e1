/* Runs laid out as arms × grid points × seeds, with the configuration that each arm chose, and the
 * list of findings. */
#include "server/verdict/fairness/fairness_plan.h"

#include "common/json/jsonx_dump.h"
#include "common/spec/spec_json.h"
#include "server/verdict/statistics/stats.h"

#include <stdlib.h>
#include <string.h>

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

double plan_level(const struct plan *p)
{
    const json_t *compare = json_object_get(p->in->spec, "compare");
    return stats_level(json_array_size(json_object_get(compare, "looks")));
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

void plan_done(struct plan *p)
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

int plan_init(struct plan *p, struct err *err)
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
