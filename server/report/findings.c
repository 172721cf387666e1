/* The stored findings, looked up: which audits have spoken of what, and which failures count.
 *
 * What a run is to audit counts as audited once a run has spoken: pass, warn, fail, or a reason of
 * its own why there is nothing to find out; and where the audit doesn't concern such runs at all
 * (common/audits.h). That the daemon found the audit unmade (fairness_gaps.c) is shown among the
 * checks, but settles nothing.
 */
#include "server/report/study.h"

#include "common/audits.h"

#include <stdlib.h>
#include <string.h>

/* What a finding about this arm and grid point is remembered by; NULL when memory runs out. */
static char *key_of(const struct audit_info *info, const char *arm, const char *grid)
{
    return audit_key(info->name, audit_names_arm(info->scope) ? arm : NULL,
                     audit_names_point(info->scope) ? grid : NULL);
}

static bool is_settled(const struct audit_row *row, const struct audit_info *info)
{
    return row->run != 0 || info->scope == AUDIT_OF_EXPERIMENT;
}

static bool note(struct study *t, const struct audit_row *row, const struct audit_info *info)
{
    char *key = is_settled(row, info) ? key_of(info, row->arm, row->grid) : NULL;
    bool ok = key == NULL || json_object_set_new_nocheck(t->told, key, json_true()) == 0;
    free(key);
    if (!info->invalidates || audit_status_of(row->status) != AUDIT_FAIL)
        return ok;
    key = key_of(info, row->arm, row->grid);
    ok &= key != NULL && json_object_set_new_nocheck(t->failed, key, json_true()) == 0;
    free(key);
    json_t *grid = audit_names_point(info->scope) && row->grid != NULL
                       ? study_reduced(&t->compare, row->grid)
                       : NULL;
    t->failures[t->failures_n++] =
        (struct failure){ .row = row, .info = info, .key = grid != NULL ? study_key(grid) : NULL };
    json_decref(grid);
    return ok;
}

bool study_find_audits(struct study *t)
{
    const struct report_input *in = t->in;
    t->told = json_object();
    t->failed = json_object();
    t->failures = calloc(in->audits_n + 1, sizeof *t->failures);
    bool ok = t->told != NULL && t->failed != NULL && t->failures != NULL;
    if (sweep_new(t->spec, &t->sweep, NULL) != 0)
        t->sweep = NULL;
    for (size_t a = 0; ok && a < audit_table_n; a++)
        for (size_t i = 0; ok && i < in->audits_n; i++)
            if (strcmp(in->audits[i].name, audit_table[a].name) == 0)
                ok = note(t, &in->audits[i], &audit_table[a]);
    return ok;
}

void study_drop_audits(struct study *t)
{
    for (size_t i = 0; i < t->failures_n; i++)
        free(t->failures[i].key);
    free(t->failures);
    json_decref(t->told);
    json_decref(t->failed);
    sweep_free(t->sweep);
}

/* Cells come in the order in which a sweep makes the runs of its first seed. */
static bool cell_is_concerned(const struct study *t, const struct audit_info *info,
                              const struct cell *cell)
{
    size_t i = (size_t)(cell - t->cells);
    struct sweep_item item = { 0 };
    if (info->concerns == NULL || t->sweep == NULL || i >= t->sweep->runs_n ||
        sweep_run(t->sweep, i, &item, NULL) != 0)
        return true;
    char *grid = study_key(item.grid);
    bool same = grid != NULL && strcmp(grid, cell->grid) == 0 && strcmp(item.arm, cell->arm) == 0;
    free(grid);
    json_decref(item.grid);
    return !same || audit_concerns(info, &item.spec);
}

static bool is_of(const struct cell *cell, const char *arm)
{
    return arm == NULL || strcmp(cell->arm, arm) == 0;
}

bool study_concerns(const struct study *t, const struct audit_info *info, const char *arm)
{
    bool any = info->concerns == NULL;
    for (size_t c = 0; c < t->n && !any; c++)
        any = is_of(&t->cells[c], arm) && cell_is_concerned(t, info, &t->cells[c]);
    return any;
}

static bool holds(const json_t *things, const struct audit_info *info, const struct cell *cell)
{
    char *key = key_of(info, cell->arm, cell->grid);
    bool found = key != NULL && json_object_get(things, key) != NULL;
    free(key);
    return found;
}

bool study_cell_is_told(const struct study *t, const struct audit_info *info,
                        const struct cell *cell)
{
    return holds(t->told, info, cell) || !cell_is_concerned(t, info, cell);
}

bool study_cell_failed(const struct study *t, const struct audit_info *info,
                       const struct cell *cell)
{
    return holds(t->failed, info, cell);
}

bool study_is_told(const struct study *t, const struct audit_info *info, const char *arm)
{
    for (size_t c = 0; c < t->n; c++)
        if (is_of(&t->cells[c], arm) && !study_cell_is_told(t, info, &t->cells[c]))
            return false;
    return true;
}
