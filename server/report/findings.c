/* The stored findings, looked up: which audits have spoken of what, and which failures count.
 *
 * What a run is to audit counts as audited once a run has spoken: pass, warn, fail, or a reason of
 * its own why there is nothing to find out (a synthetic task has no corpus to overlap in). That the
 * daemon found the audit unmade (fairness_gaps.c) is shown among the checks, but settles nothing.
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
    t->failures = calloc(in->audits_n + 1, sizeof *t->failures);
    bool ok = t->told != NULL && t->failures != NULL;
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
}

bool study_is_told(const struct study *t, const struct audit_info *info, const char *arm)
{
    for (size_t c = 0; c < t->n; c++) {
        const struct cell *cell = &t->cells[c];
        if (arm != NULL && strcmp(cell->arm, arm) != 0)
            continue;
        char *key = key_of(info, cell->arm, cell->grid);
        bool told = key != NULL && json_object_get(t->told, key) != NULL;
        free(key);
        if (!told)
            return false;
    }
    return true;
}
