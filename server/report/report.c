/* Puts the report together: study → claims → JSON. */
#include "server/report/report.h"

#include "common/json/jsonx.h"
#include "server/objects/objects.h"
#include "server/verdict/claims.h"
#include "server/verdict/measured.h"
#include "server/verdict/remarks.h"
#include "server/verdict/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *interval_json(const struct statement *c, const struct stats_interval *i)
{
    return c->tested ? json_pack("[o, o]", jsonx_number(i->low), jsonx_number(i->high))
                     : json_null();
}

/* needed_seeds and needed_seeds_range: [14, 60]; null when they aren't known. */
static void add_needed(json_t *to, const struct stats_needed *needed)
{
    bool known = needed->seeds > 0;
    json_object_set_new(to, "needed_seeds",
                        known ? json_integer((json_int_t)needed->seeds) : json_null());
    json_object_set_new(to, "needed_seeds_range",
                        known
                            ? json_pack("[I, I]", (json_int_t)needed->low, (json_int_t)needed->high)
                            : json_null());
}

/* [[seed, difference]], of the measured pairs. */
static json_t *differences_json(const struct study *study, const struct statement *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < study->seeds_n; i++) {
        double difference = c->differences[study->rank[i]];
        if (!isnan(difference))
            json_array_append_new(list, json_pack("[I, o]", (json_int_t)study->layout.seeds[i],
                                                  jsonx_number(difference)));
    }
    return list;
}

static json_t *against_json(const struct statement *c)
{
    const char *reason = c->against != NULL ? c->against->name : claim_reason_names[c->reason];
    return reason != NULL ? json_string(reason) : json_null();
}

/* What primary and secondary claims have in common. */
static json_t *claim_json(const struct study *study, const struct claims *claims,
                          const struct statement *c)
{
    struct buf text;
    buf_init(&text, 0);
    words_claim(study, claims, c, &text);
    double share = 0;
    bool relative = claim_relative(c, &share);
    json_t *claim = json_pack(
        "{s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:s}", "baseline",
        study->compare.baseline, "arm", c->arm, "metric", study->compare.judged, "n",
        (json_int_t)c->n, "mean_difference", study_number(c->n > 0, c->mean), "relative_difference",
        study_number(relative, share), "sd", study_number(!isnan(c->sd), c->sd), "ci95",
        interval_json(c, &c->ci95), "ci90", interval_json(c, &c->ci90), "p",
        study_number(c->tested, c->p), "agree", (json_int_t)c->agree, "verdict",
        verdict_names[c->verdict], "sentence", text.data != NULL ? text.data : "");
    json_t *pairs =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "planned", (json_int_t)c->planned,
                  "disturbed", (json_int_t)c->disturbed, "lost", (json_int_t)c->lost, "one_sided",
                  (json_int_t)c->one_sided, "cancelled", (json_int_t)c->cancelled, "open",
                  (json_int_t)c->open, "diverged", (json_int_t)c->diverged, "baseline_diverged",
                  (json_int_t)c->base_diverged);
    buf_clear(&text);
    words_pairs(study, c, &text);
    json_object_set_new(pairs, "note", json_string(text.data != NULL ? text.data : ""));
    json_object_set_new(claim, "pairs", pairs);
    buf_done(&text);
    add_needed(claim, &c->needed);
    json_object_set_new(claim, "power", study_number(!isnan(c->power), c->power));
    json_object_set_new(claim, "ci95_bootstrap",
                        isnan(c->bootstrap.low) ? json_null() : interval_json(c, &c->bootstrap));
    json_object_set_new(claim, "median_difference", study_number(c->n > 0, c->median));
    json_object_set_new(claim, "differences", differences_json(study, c));
    json_object_set_new(claim, "p_adjusted", study_number(c->tested, c->p_adjusted));
    json_object_set_new(claim, "p_equivalent", study_number(c->tested, c->p_equivalent));
    json_object_set_new(claim, "adjusted_over", json_integer((json_int_t)c->family));
    json_object_set_new(claim, "skewed", json_boolean(c->skewed));
    json_object_set_new(claim, "against", against_json(c));
    return claim;
}

static json_t *primary_json(const struct study *study, const struct claims *claims)
{
    json_t *list = json_array();
    for (size_t i = 0; i < claims->primary_n; i++)
        json_array_append_new(list, claim_json(study, claims, &claims->primary[i]));
    return list;
}

/* The tuned paths' values of the cell that stands for a slot (NULL: there is none). */
static json_t *chosen_of(const struct study *study, const struct slot *slot)
{
    return slot != NULL ? measured_chosen(study, &study->cells[slot->chosen]) : json_null();
}

static json_t *comparisons_json(const struct study *study, const struct claims *claims)
{
    json_t *list = json_array();
    for (size_t i = 0; i < claims->secondary_n; i++) {
        const struct statement *c = &claims->secondary[i];
        json_t *one = claim_json(study, claims, c);
        json_object_set(one, "grid", c->slot->grid);
        json_object_set_new(one, "chosen", chosen_of(study, c->slot));
        json_object_set_new(one, "baseline_chosen", chosen_of(study, c->base));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *audits_json(const struct study_input *in)
{
    json_t *list = json_array();
    for (size_t i = 0; i < in->audits_n; i++)
        json_array_append_new(list, objects_audit(&in->audits[i]));
    return list;
}

/* Runs of an arm by state. */
static json_t *counts_json(const struct study *study, const char *arm)
{
    int64_t counts[RUN_STATES] = { 0 };
    size_t diverged = 0;
    for (size_t c = 0; c < study->n; c++) {
        const struct cell *cell = &study->cells[c];
        if (strcmp(cell->arm, arm) != 0)
            continue;
        for (size_t i = 0; i < cell->runs; i++)
            counts[study_run(study, cell, i)->state]++;
        diverged += cell->ended.diverged;
    }
    json_t *made = json_object();
    for (int s = 0; s < RUN_STATES; s++)
        json_object_set_new(made, run_state_names[s], json_integer(counts[s]));
    json_object_set_new(made, "diverged", json_integer((json_int_t)diverged));
    return made;
}

/* The first run of an arm says its size; the table has each grid point's. */
static json_t *arms_json(const struct findings *findings)
{
    const struct study *study = findings->study;
    json_t *arms = json_object();
    for (size_t i = 0; i < study->in->runs_n; i++) {
        const struct run_row *run = &study->in->runs[i];
        if (json_object_get(arms, run->arm) != NULL)
            continue;
        json_object_set_new(arms, run->arm,
                            json_pack("{s:o, s:I, s:f, s:o, s:o}", "valid",
                                      checks_valid(findings, run->arm), "parameters",
                                      (json_int_t)run->parameters, "flops_per_step",
                                      run->flops_per_step, "counts", counts_json(study, run->arm),
                                      "audits", checks_json(findings, run->arm)));
    }
    return arms;
}

/* What the arm needs that needs most; null when none is known. */
static void add_needed_most(json_t *to, const struct claims *claims)
{
    struct stats_needed most = { 0 };
    for (size_t i = 0; i < claims->primary_n; i++)
        if (claims->primary[i].needed.seeds > most.seeds)
            most = claims->primary[i].needed;
    add_needed(to, &most);
}

/* What the claims make of the number of seeds. */
static json_t *looks_json(const struct study *study)
{
    const struct compare *c = &study->compare;
    return json_pack("{s:I, s:I, s:b, s:o, s:I, s:f}", "seeds", (json_int_t)study->seeds_n,
                     "submitted", (json_int_t)c->submitted, "declared", study_was_declared(study),
                     "look", c->look > 0 ? json_integer((json_int_t)c->look) : json_null(), "looks",
                     (json_int_t)c->looks, "level", c->level);
}

static json_t *whole_json(const struct findings *findings, const struct claims *claims)
{
    const struct study *study = findings->study;
    json_t *experiment = objects_experiment(study->in->experiment);
    json_object_del(experiment, "spec");
    json_object_del(experiment, "verdict"); /* the report's own is of this moment */
    json_t *report = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "experiment",
        experiment, "verdict", words_verdict(study, claims), "remarks",
        remarks_json(findings, claims), "would_change", remarks_changes(study, claims), "primary",
        primary_json(study, claims), "table", measured_table(findings), "comparisons",
        comparisons_json(study, claims), "dynamics", measured_dynamics(study), "tuning",
        measured_tuning(study), "positions", checks_positions(findings), "audits",
        audits_json(study->in), "checks", checks_json(findings, NULL), "arms", arms_json(findings));
    add_needed_most(report, claims);
    json_object_set_new(report, "looks", looks_json(study));
    return report;
}

json_t *report_json(const struct study_input *in)
{
    struct study study;
    struct findings findings = { 0 };
    struct claims claims = { 0 };
    json_t *report = NULL;
    if (study_init(&study, in) && findings_init(&findings, &study) &&
        claims_init(&claims, &findings, NULL) == 0)
        report = whole_json(&findings, &claims);
    claims_done(&claims);
    findings_done(&findings);
    study_done(&study);
    return report;
}
