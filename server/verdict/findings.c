/* The stored findings: kept by what they are about, and asked for it. */
#include "server/verdict/findings.h"

#include "common/sweep/sweep_run.h"
#include "server/objects/objects.h"

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
    return row->run != 0 || info->compares;
}

/* What pairs of arms are found by; new reference, NULL when memory runs out. */
static json_t *pair_key(const char *one, const char *other)
{
    bool in_order = strcmp(one, other) < 0;
    return json_sprintf("%s\n%s", in_order ? one : other, in_order ? other : one);
}

/* The places of an evidence as an object of their keys; null when it has none: everywhere. */
static json_t *keys_of(const json_t *places)
{
    json_t *keys = json_is_array(places) ? json_object() : json_null(), *place;
    size_t i;
    json_array_foreach(places, i, place)
    {
        char *key = layout_key(place);
        if (key != NULL)
            json_object_set_new_nocheck(keys, key, json_true());
        free(key);
    }
    return keys;
}

/* The pairs that the evidence names; NULL when it names none (an older daemon found it): then it
 * may be about any. */
static json_t *pairs_of(const struct audit_row *row)
{
    json_t *evidence = objects_embed(row->evidence), *pair, *all = NULL;
    const json_t *list = json_object_get(evidence, "pairs");
    size_t i;
    if (json_array_size(list) > 0)
        all = json_object();
    json_array_foreach(list, i, pair)
    {
        const json_t *arms = json_object_get(pair, "arms");
        const char *one = json_string_value(json_array_get(arms, 0)),
                   *other = json_string_value(json_array_get(arms, 1));
        json_t *key = one != NULL && other != NULL ? pair_key(one, other) : NULL;
        if (key != NULL)
            json_object_set_new_nocheck(all, json_string_value(key),
                                        keys_of(json_object_get(pair, "places")));
        json_decref(key);
    }
    json_decref(evidence);
    return all;
}

bool findings_speak_for(const struct findings *t, const struct failure *f, const char *arm)
{
    char *own = audit_key(f->info->name, arm, f->row->grid);
    bool told = own != NULL && json_object_get(t->told, own) != NULL;
    free(own);
    return f->row->arm == NULL || strcmp(f->row->arm, arm) == 0 || !told;
}

bool findings_pair_failed(const struct failure *f, const char *one, const char *other,
                          const char *key)
{
    if (f->pairs == NULL)
        return true;
    json_t *name = pair_key(one, other);
    const json_t *places = name != NULL ? json_object_get(f->pairs, json_string_value(name)) : NULL;
    json_decref(name);
    return places != NULL &&
           (json_is_null(places) || key == NULL || json_object_get(places, key) != NULL);
}

static bool note(struct findings *t, const struct audit_row *row, const struct audit_info *info)
{
    bool found_out = audit_status_of(row->status) != AUDIT_SKIPPED;
    char *key = is_settled(row, info) ? key_of(info, row->arm, row->grid) : NULL,
         *own = found_out ? audit_key(info->name, row->arm, row->grid) : NULL;
    bool ok = key == NULL || json_object_set_new_nocheck(t->told, key, json_true()) == 0;
    ok &= own == NULL || json_object_set_new_nocheck(t->told, own, json_true()) == 0;
    free(key);
    free(own);
    if (!info->invalidates || audit_status_of(row->status) != AUDIT_FAIL)
        return ok;
    key = key_of(info, row->arm, row->grid);
    ok &= key != NULL && json_object_set_new_nocheck(t->failed, key, json_true()) == 0;
    free(key);
    json_t *grid = audit_names_point(info->scope) && row->grid != NULL
                       ? layout_reduced(t->study->compare.tune, row->grid)
                       : NULL;
    t->failures[t->failures_n++] =
        (struct failure){ .row = row,
                          .info = info,
                          .key = grid != NULL ? layout_key(grid) : NULL,
                          .pairs = info->scope == AUDIT_OF_EXPERIMENT ? pairs_of(row) : NULL };
    json_decref(grid);
    return ok;
}

bool findings_init(struct findings *t, const struct study *study)
{
    const struct study_input *in = study->in;
    *t = (struct findings){ .study = study, .told = json_object(), .failed = json_object() };
    t->failures = calloc(in->audits_n + 1, sizeof *t->failures);
    bool ok = t->told != NULL && t->failed != NULL && t->failures != NULL;
    if (sweep_new(study->spec, &t->sweep, NULL) != 0)
        t->sweep = NULL;
    for (int a = 0; ok && a < AUDITS; a++)
        for (size_t i = 0; ok && i < in->audits_n; i++)
            if (strcmp(in->audits[i].name, audit_table[a]->name) == 0)
                ok = note(t, &in->audits[i], audit_table[a]);
    return ok;
}

void findings_done(struct findings *t)
{
    for (size_t i = 0; i < t->failures_n; i++) {
        free(t->failures[i].key);
        json_decref(t->failures[i].pairs);
    }
    free(t->failures);
    json_decref(t->told);
    json_decref(t->failed);
    sweep_free(t->sweep);
}

/* Cells come in the order in which a sweep makes the runs of its first seed. */
static bool cell_is_concerned(const struct findings *t, const struct audit_info *info,
                              const struct cell *cell)
{
    size_t i = (size_t)(cell - t->study->cells);
    struct sweep_item item = { 0 };
    if (info->concerns == NULL || t->sweep == NULL || i >= t->sweep->runs_n ||
        sweep_run(t->sweep, i, &item, NULL) != 0)
        return true;
    char *grid = layout_key(item.grid);
    bool same = grid != NULL && strcmp(grid, cell->grid) == 0 && strcmp(item.arm, cell->arm) == 0;
    free(grid);
    json_decref(item.grid);
    return !same || audit_concerns(info, &item.spec);
}

static bool is_of(const struct cell *cell, const char *arm)
{
    return arm == NULL || strcmp(cell->arm, arm) == 0;
}

bool findings_concern(const struct findings *t, const struct audit_info *info, const char *arm)
{
    bool any = info->concerns == NULL;
    for (size_t c = 0; c < t->study->n && !any; c++)
        any = is_of(&t->study->cells[c], arm) && cell_is_concerned(t, info, &t->study->cells[c]);
    return any;
}

static bool holds(const json_t *things, const struct audit_info *info, const struct cell *cell)
{
    const char *const grids[] = { cell->grid, NULL }; /* there, or told of all points together */
    bool found = false;
    for (size_t i = 0; i < 2 && !found; i++) {
        char *key = key_of(info, cell->arm, grids[i]);
        found = key != NULL && json_object_get(things, key) != NULL;
        free(key);
    }
    return found;
}

bool findings_cell_is_told(const struct findings *t, const struct audit_info *info,
                           const struct cell *cell)
{
    return holds(t->told, info, cell) || !cell_is_concerned(t, info, cell);
}

bool findings_cell_failed(const struct findings *t, const struct audit_info *info,
                          const struct cell *cell)
{
    return holds(t->failed, info, cell);
}

bool findings_are_told(const struct findings *t, const struct audit_info *info, const char *arm)
{
    for (size_t c = 0; c < t->study->n; c++)
        if (is_of(&t->study->cells[c], arm) && !findings_cell_is_told(t, info, &t->study->cells[c]))
            return false;
    return true;
}
