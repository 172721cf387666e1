/* Audits of an arm at a grid point are made by its first planned seed. When that run ended without
 * saying anything, the others don't step in: which run audits is known from the start, and a gap is
 * shown as one. */
#include "server/runs/checks_plan.h"

#include <stdlib.h>

static bool always(const struct run_spec *spec)
{
    (void)spec;
    return true;
}

/* Dense attention is what the others are held against. */
static bool has_dense_limit(const struct run_spec *spec)
{
    return spec->model.attention.kind != ATTENTION_DENSE;
}

static bool has_indexer(const struct run_spec *spec)
{
    return spec->model.attention.kind == ATTENTION_DSA;
}

static bool has_split(const struct run_spec *spec)
{
    return spec->data.kind == DATASET_STORED;
}

/* What a run of first seeds makes, and of which runs it is expected. */
static const struct {
    const char *name;
    bool (*applies)(const struct run_spec *spec);
} structural[] = {
    { "causality", always },           { "entropy_floor", always },
    { "split_overlap", has_split },    { "dense_equivalence", has_dense_limit },
    { "indexer_learns", has_indexer },
};

static bool is_reported(const struct plan *p, const char *name, const char *arm, const char *grid)
{
    char *key = audit_key(name, arm, grid);
    bool known = key != NULL && json_object_get(p->in->reported, key) != NULL;
    free(key);
    return known;
}

static void tell_missing(struct plan *p, const char *name, const struct fact_row *run)
{
    static const char *const how[RUN_STATES] = {
        [RUN_SUCCEEDED] = "finished without reporting it",
        [RUN_FAILED] = "failed before it did",
        [RUN_CANCELLED] = "was cancelled before it did",
    };
    const struct audit_info *info = audit_find(name);
    struct buf text;
    buf_init(&text, 0);
    buf_addf(&text, "run %lld, which was to make this audit, %s", (long long)run->run,
             how[run->state] != NULL ? how[run->state] : "hasn't ended");
    plan_add(
        p, name, AUDIT_SKIPPED, audit_names_arm(info->scope) ? run->arm : NULL,
        audit_names_point(info->scope) ? run->grid : NULL, &text,
        json_pack("{s:I, s:s}", "run", (json_int_t)run->run, "state", run_state_names[run->state]));
}

static void look_at_cell(struct plan *p, const char *name,
                         bool (*applies)(const struct run_spec *spec), size_t point, size_t arm,
                         bool *told)
{
    const struct audit_info *info = audit_find(name);
    const struct fact_row *run = plan_run(p, 0, point, arm);
    const struct cell *cell = plan_cell(p, point, arm);
    if (run == NULL || *told || !cell->known || !applies(&cell->spec) ||
        is_reported(p, name, audit_names_arm(info->scope) ? run->arm : NULL, run->grid))
        return;
    tell_missing(p, name, run);
    *told = !audit_names_arm(info->scope); /* once a point, when it is about all arms */
}

int checks_missing(struct plan *p, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < sizeof structural / sizeof *structural; i++)
        for (size_t point = 0; point < p->points_n; point++) {
            bool told = false;
            for (size_t arm = 0; arm < p->arms_n; arm++)
                look_at_cell(p, structural[i].name, structural[i].applies, point, arm, &told);
        }
    return 0;
}
