/* Audits of an arm at a grid point are made by its first planned seed, and should that run end
 * without a word, by the next one that begins (SQL_RUN_AUDITS); those of an arm by its first run.
 * What nobody reported is shown as a gap, told of the run that was to make it; where an audit
 * concerns no such run (common/audit/audits.h) there is no gap. */
#include "server/verdict/fairness/fairness_plan.h"

#include <stdlib.h>

static bool is_reported(const struct plan *p, const char *name, const char *arm, const char *grid)
{
    char *key = audit_key(name, arm, grid);
    bool known = key != NULL && json_object_get(p->in->reported, key) != NULL;
    free(key);
    return known;
}

static bool is_missing(const struct plan *p, enum audit audit, size_t point, size_t arm)
{
    const struct digests_row *run = plan_run(p, 0, point, arm);
    const struct planned_cell *cell = plan_cell(p, point, arm);
    const struct audit_info *info = audit_table[audit];
    return run != NULL && cell->known && audit_concerns(info, &cell->spec) &&
           !is_reported(p, info->name, audit_names_arm(info->scope) ? run->arm : NULL,
                        audit_names_point(info->scope) ? run->grid : NULL);
}

/* Says it of one run; of others beside it, when there are too many for a row each. */
static void tell_missing(struct plan *p, enum audit audit, const struct digests_row *run,
                         const char *grid, size_t others)
{
    static const char *const how[RUN_STATES] = {
        [RUN_SUCCEEDED] = "finished without reporting it",
        [RUN_FAILED] = "failed before it did",
        [RUN_CANCELLED] = "was cancelled before it did",
    };
    bool of_arm = audit_names_arm(audit_table[audit]->scope);
    struct buf text;
    buf_init(&text, 0);
    buf_addf(&text, "run %lld, which was to make this audit, %s", (long long)run->run,
             how[run->state] != NULL ? how[run->state] : "hasn't ended");
    if (others > 0)
        buf_addf(&text, "; nor was it made at %zu other grid points", others);
    plan_add(p, audit, AUDIT_SKIPPED, of_arm ? run->arm : NULL, grid, &text,
             json_pack("{s:I, s:s, s:I}", "run", (json_int_t)run->run, "state",
                       run_state_names[run->state], "others", (json_int_t)others));
}

/* The first run, of these arms, that owes an audit at a grid point; NULL = none does. */
static const struct digests_row *debtor(const struct plan *p, enum audit audit, size_t point,
                                        size_t first_arm, size_t end_arm)
{
    for (size_t arm = first_arm; arm < end_arm; arm++)
        if (is_missing(p, audit, point, arm))
            return plan_run(p, 0, point, arm);
    return NULL;
}

/* One audit of an arm, or of all of them together: a row a grid point, or one for them all. */
static void look_at(struct plan *p, enum audit audit, size_t first_arm, size_t end_arm, bool fold)
{
    const struct digests_row *first = NULL;
    bool by_point = audit_names_point(audit_table[audit]->scope);
    size_t n = 0;
    for (size_t point = 0; point < (by_point ? p->layout.points_n : 1); point++) {
        const struct digests_row *run = debtor(p, audit, point, first_arm, end_arm);
        if (run == NULL)
            continue;
        first = n++ == 0 ? run : first;
        if (!fold)
            tell_missing(p, audit, run, by_point ? run->grid : NULL, 0);
    }
    if (fold && n > 0)
        tell_missing(p, audit, first, by_point && n == 1 ? first->grid : NULL, n - 1);
}

int fairness_gaps(struct plan *p, struct err *err)
{
    bool fold = p->layout.points_n * p->layout.arms_n > FAIRNESS_CELLS;
    (void)err;
    for (int i = 0; i < AUDITS; i++) {
        size_t step = audit_names_arm(audit_table[i]->scope) ? 1 : p->layout.arms_n;
        for (size_t arm = 0; audit_is_owed(audit_table[i]) && arm < p->layout.arms_n; arm += step)
            look_at(p, (enum audit)i, arm, arm + step, fold);
    }
    return 0;
}
