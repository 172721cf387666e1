/* Findings gathered into checks, a row an audit, and what follows for an arm or a pair of arms. */
#include "server/verdict/checks.h"

#include "common/json/jsonx.h"
#include "server/objects/objects.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const scope_names[] = {
    [AUDIT_OF_RUN] = "run",
    [AUDIT_OF_ARM] = "arm",
    [AUDIT_OF_CELL] = "cell",
    [AUDIT_OF_POINT] = "point",
    [AUDIT_OF_EXPERIMENT] = "experiment",
};

static bool of_an_arm(const struct audit_info *info)
{
    return info->scope != AUDIT_OF_POINT && info->scope != AUDIT_OF_EXPERIMENT;
}

/* Does the finding belong to the checks of this arm (NULL: of the whole)? The table decides, not
 * the row: a run's finding about the whole experiment carries the run's arm all the same. */
static bool concerns(const struct audit_row *row, const char *arm)
{
    const struct audit_info *info = audit_find(row->name);
    bool own = info != NULL ? of_an_arm(info) : row->arm != NULL;
    if (arm == NULL)
        return !own;
    return own && row->arm != NULL && strcmp(row->arm, arm) == 0;
}

/* A check as it is gathered. */
struct gathered {
    const struct audit_row *worst;
    size_t findings;
};

static void gather(struct gathered *g, const struct audit_row *row)
{
    g->findings++;
    if (g->worst == NULL || audit_status_of(row->status) > audit_status_of(g->worst->status))
        g->worst = row;
}

/* moot: why no run that it is about concerns it; NULL: one does. */
static json_t *check_json(const char *name, const struct audit_info *info, const struct gathered *g,
                          const char *moot)
{
    const struct audit_row *w = g->worst;
    const char *status = w != NULL      ? w->status
                         : moot != NULL ? audit_status_names[AUDIT_SKIPPED]
                                        : "missing";
    const char *detail = w != NULL ? w->detail : moot != NULL ? moot : "";
    json_t *check = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:I}", "name", name, "status", status, "detail", detail,
        "evidence", w != NULL ? objects_embed(w->evidence) : json_null(), "grid",
        w != NULL ? objects_embed(w->grid) : json_null(), "findings", (json_int_t)g->findings);
    json_t *about = json_pack(
        "{s:s, s:b, s:s, s:s}", "scope", scope_names[info != NULL ? info->scope : AUDIT_OF_RUN],
        "invalidates", (int)(info != NULL && info->invalidates), "what",
        info != NULL ? info->what : "", "remedy", info != NULL ? info->remedy : "");
    json_object_update(check, about);
    json_decref(about);
    return check;
}

json_t *checks_json(const struct findings *findings, const char *arm)
{
    const struct study_input *in = findings->study->in;
    json_t *list = json_array();
    for (int a = 0; a < AUDITS; a++) {
        const struct audit_info *info = audit_table[a];
        struct gathered g = { 0 };
        if (of_an_arm(info) != (arm != NULL))
            continue;
        for (size_t i = 0; i < in->audits_n; i++)
            if (concerns(&in->audits[i], arm) && strcmp(in->audits[i].name, info->name) == 0)
                gather(&g, &in->audits[i]);
        bool moot = g.worst == NULL && !findings_concern(findings, info, arm);
        json_array_append_new(list, check_json(info->name, info, &g, moot ? info->moot : NULL));
    }
    json_t *others = json_object(); /* name → its place in the list */
    for (size_t i = 0; i < in->audits_n; i++) {
        const struct audit_row *row = &in->audits[i];
        if (!concerns(row, arm) || audit_find(row->name) != NULL ||
            json_object_get(others, row->name) != NULL)
            continue;
        struct gathered g = { 0 };
        for (size_t j = i; j < in->audits_n; j++)
            if (concerns(&in->audits[j], arm) && strcmp(in->audits[j].name, row->name) == 0)
                gather(&g, &in->audits[j]);
        json_object_set_new(others, row->name, json_true());
        json_array_append_new(list, check_json(row->name, NULL, &g, NULL));
    }
    json_decref(others);
    return list;
}

/* Whether a failure, at a point that it is about, says something of these two arms. */
static bool is_about(const struct findings *findings, const struct failure *f, const char *arm,
                     const char *key)
{
    const char *baseline = findings->study->compare.baseline, *own = f->row->arm;
    if (f->info->scope == AUDIT_OF_EXPERIMENT)
        return findings_pair_failed(f, arm, baseline, key) ||
               findings_pair_failed(f, arm, arm, key) ||
               findings_pair_failed(f, baseline, baseline, key);
    if (f->info->scope == AUDIT_OF_POINT)
        return findings_speak_for(findings, f, arm) || findings_speak_for(findings, f, baseline);
    return own == NULL || strcmp(own, arm) == 0 || study_is_baseline(findings->study, own);
}

const struct audit_row *checks_against(const struct findings *findings, const char *arm,
                                       const char *key)
{
    for (size_t i = 0; i < findings->failures_n; i++) {
        const struct failure *f = &findings->failures[i];
        if (is_about(findings, f, arm, key) &&
            (key == NULL || f->key == NULL || strcmp(f->key, key) == 0))
            return f->row;
    }
    return NULL;
}

json_t *checks_valid(const struct findings *findings, const char *arm)
{
    bool all = true;
    for (size_t i = 0; i < findings->failures_n; i++)
        if (of_an_arm(findings->failures[i].info) && concerns(findings->failures[i].row, arm))
            return json_false();
    for (int a = 0; a < AUDITS; a++) {
        const struct audit_info *info = audit_table[a];
        all &= !info->invalidates || !of_an_arm(info) || findings_are_told(findings, info, arm);
    }
    return all ? json_true() : json_null();
}

json_t *checks_valid_at(const struct findings *findings, const struct cell *cell)
{
    bool all = true;
    for (int a = 0; a < AUDITS; a++) {
        const struct audit_info *info = audit_table[a];
        if (!info->invalidates || !of_an_arm(info))
            continue;
        if (findings_cell_failed(findings, info, cell))
            return json_false();
        all &= findings_cell_is_told(findings, info, cell);
    }
    return all ? json_true() : json_null();
}

size_t checks_missing(const struct findings *findings, struct buf *to)
{
    size_t missing = 0;
    for (int a = 0; a < AUDITS; a++) {
        const struct audit_info *info = audit_table[a];
        if (info->invalidates && !findings_are_told(findings, info, NULL))
            buf_addf(to, "%s%s", missing++ > 0 ? ", " : "", info->name);
    }
    return missing;
}

unsigned checks_untold(const struct findings *findings, const char *arm)
{
    unsigned untold = 0;
    for (int a = 0; a < AUDITS && findings->study->in->audits_n > 0; a++)
        if (audit_table[a]->invalidates && !findings_are_told(findings, audit_table[a], arm))
            untold |= 1u << a;
    return untold;
}

const struct audit_row *checks_warning(const struct findings *findings, enum audit audit,
                                       const char *arm)
{
    const struct study_input *in = findings->study->in;
    for (size_t i = 0; i < in->audits_n; i++) {
        const struct audit_row *row = &in->audits[i];
        if (strcmp(row->name, audit_table[audit]->name) == 0 && concerns(row, arm) &&
            audit_status_of(row->status) == AUDIT_WARN)
            return row;
    }
    return NULL;
}

/* Adds a finding's losses to an entry of the same positions; others are left out. */
static void add_losses(json_t *entry, const json_t *by)
{
    json_t *loss = json_object_get(entry, "loss");
    const json_t *more = json_object_get(by, "loss");
    if (json_array_size(loss) != json_array_size(more) ||
        !json_equal(json_object_get(entry, "positions"), json_object_get(by, "positions")))
        return;
    double n = (double)json_integer_value(json_object_get(entry, "n"));
    for (size_t i = 0; i < json_array_size(loss); i++) {
        double mean = NAN, value = NAN;
        jsonx_to_double(json_array_get(loss, i), &mean);
        jsonx_to_double(json_array_get(more, i), &value);
        json_array_set_new(loss, i, jsonx_number(n == 0 ? value : mean + (value - mean) / (n + 1)));
    }
    json_object_set_new(entry, "n", json_integer((json_int_t)n + 1));
}

/* What entries are found by. */
static void name_cell(const char *arm, const char *grid, struct buf *to)
{
    buf_clear(to);
    buf_addf(to, "%s\n%s", arm, grid != NULL ? grid : "");
}

/* Adds a finding of `causality` to the entries, objects by name_cell. */
static void add_positions(const struct audit_row *row, json_t *known, struct buf *key)
{
    json_t *evidence = objects_embed(row->evidence);
    const json_t *by = json_object_get(evidence, "by_position");
    name_cell(row->arm, row->grid, key);
    json_t *entry = key->failed ? NULL : json_object_get(known, key->data);
    if (entry == NULL && !key->failed && json_array_size(json_object_get(by, "loss")) > 0) {
        json_t *leak = json_object_get(evidence, "leak_next");
        entry = json_pack(
            "{s:s, s:o, s:i, s:O, s:O, s:o}", "arm", row->arm, "grid", objects_embed(row->grid),
            "n", 0, "leak_next", leak != NULL ? leak : json_null(), "positions",
            json_object_get(by, "positions"), "loss", json_copy(json_object_get(by, "loss")));
        json_object_set_new(known, key->data, entry);
    }
    if (entry != NULL)
        add_losses(entry, by);
    json_decref(evidence);
}

json_t *checks_positions(const struct findings *findings)
{
    json_t *list = json_array(), *known = json_object();
    struct buf key;
    buf_init(&key, 0);
    for (size_t i = 0; i < findings->study->in->audits_n; i++) {
        const struct audit_row *row = &findings->study->in->audits[i];
        if (strcmp(row->name, "causality") == 0 && row->arm != NULL)
            add_positions(row, known, &key);
    }
    for (size_t c = 0; c < findings->study->n; c++) {
        name_cell(findings->study->cells[c].arm, findings->study->cells[c].grid, &key);
        json_t *entry = key.failed ? NULL : json_object_get(known, key.data);
        if (entry != NULL)
            json_array_append(list, entry);
    }
    buf_done(&key);
    json_decref(known);
    return list;
}
