/* The sentences beside the verdict: what happened to the runs, what would change it. */
#include "server/verdict/remarks.h"

#include "server/verdict/timing/disturbances.h"
#include "server/verdict/words.h"

#include <math.h>
#include <string.h>

static void append(json_t *list, struct buf *text)
{
    if (text->data != NULL && text->len > 0)
        json_array_append_new(list, json_string(text->data));
    buf_done(text);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static const char *was(int64_t n)
{
    return n == 1 ? "was" : "were";
}

/* "3 of 48 planned runs were cancelled before they ended; …" */
static void remark_runs(const struct study *study, json_t *list)
{
    const struct experiment_row *e = study->in->experiment;
    long long cancelled = (long long)e->counts[RUN_CANCELLED], all = (long long)e->runs_n;
    long long failed = (long long)e->counts[RUN_FAILED];
    struct buf text;
    buf_init(&text, 0);
    if (cancelled > 0)
        buf_addf(&text,
                 "%lld of %lld planned runs %s cancelled before they ended; their pairs count "
                 "against every claim, as if they had come out for the other side.",
                 cancelled, all, was(cancelled));
    append(list, &text);
    buf_init(&text, 0);
    if (failed > 0)
        buf_addf(&text,
                 "%lld of %lld planned runs failed. Where the other arm's run of a pair did not, "
                 "the pair counts against every claim.",
                 failed, all);
    append(list, &text);
}

static void remark_diverged(const struct study *study, json_t *list)
{
    struct buf text;
    size_t named = 0;
    buf_init(&text, 0);
    for (size_t c = 0; c < study->n; c++) {
        const struct cell *cell = &study->cells[c];
        if (cell->ended.diverged == 0)
            continue;
        buf_addf(&text, "%s%zu of %zu run%s of ",
                 named++ > 0 ? "; " : "Diverged: ", cell->ended.diverged, cell->runs,
                 plural(cell->runs));
        words_cell(cell, &text);
    }
    if (named > 0)
        buf_addf(&text, ". Their %s isn't finite; they rank worst.", study->compare.metric);
    append(list, &text);
}

/* What the intervals are, once there is one. */
static void remark_intervals(const struct claims *claims, json_t *list)
{
    size_t tested = 0, family = 0;
    struct buf text;
    for (size_t i = 0; i < claims->primary_n; i++) {
        tested += claims->primary[i].tested;
        family = claims->primary[i].family > family ? claims->primary[i].family : family;
    }
    buf_init(&text, 0);
    if (tested > 0)
        buf_adds(&text, "Intervals say what other seeds would give, not other documents");
    if (tested > 0 && family > 1)
        buf_addf(
            &text,
            ", and each stands for itself; verdicts and their p are adjusted over the %zu arms "
            "that are compared",
            family);
    if (tested > 0)
        buf_addc(&text, '.');
    append(list, &text);
}

json_t *remarks_json(const struct findings *findings, const struct claims *claims)
{
    const struct study *study = findings->study;
    json_t *list = json_array();
    struct buf text, missing;
    remark_runs(study, list);
    remark_diverged(study, list);
    disturbances_remark(study, list);
    buf_init(&text, 0);
    buf_init(&missing, 0);
    size_t n = checks_missing(findings, &missing);
    if (n > 0 && claims->primary_n > 0)
        buf_addf(&text,
                 "Not audited for every arm and grid point: %s. A failure of %s would make what it "
                 "concerns invalid.",
                 missing.data != NULL ? missing.data : "", n == 1 ? "it" : "any of them");
    append(list, &text);
    buf_done(&missing);
    remark_intervals(claims, list);
    return list;
}

/* The least margin at which the claim is one of equivalence: the 90 % interval's farther end. */
static double equivalent_from(const struct statement *c)
{
    return fmax(fabs(c->ci90.low), fabs(c->ci90.high));
}

/* To two digits, away from 0 (up) or towards it, so that what is said of a margin holds. */
static double two_digits(double value, bool up)
{
    if (!(value > 0) || !isfinite(value))
        return value;
    double unit = pow(10, floor(log10(value)) - 1), digits = value / unit;
    return unit * (up ? ceil(digits - 1e-9) : floor(digits + 1e-9));
}

static void change_needed(const struct study *study, const struct statement *c, struct buf *to)
{
    words_seeds(&c->needed, to);
    buf_adds(to, " give an 80 % chance of detecting ±");
    words_amount(study, study->compare.margin, 6, to);
    buf_adds(to, ", by the spread so far (sd ");
    words_amount(study, c->sd, 2, to);
    buf_addf(to, " from %zu pairs)", c->n);
}

static void change_margin(const struct study *study, const struct statement *c, struct buf *to)
{
    if (equivalent_from(c) == 0) {
        buf_adds(to, "any margin above 0 would make it equivalent");
        return;
    }
    buf_adds(to, c->family > 1 ? "a margin of more than " : "a margin of ");
    words_amount(study, two_digits(equivalent_from(c), true), 6, to);
    buf_adds(to, " instead of ");
    words_amount(study, study->compare.margin, 6, to);
    buf_adds(to, " would make it equivalent, more seeds would narrow the interval");
}

static void change_undetermined(const struct study *study, const struct statement *c,
                                struct buf *to)
{
    if (c->disturbed > 0)
        buf_adds(to, "runs timed alone on a quiet machine (exclusive); ");
    if (c->reason == CLAIM_REASON_NO_VARIANCE) {
        buf_adds(to, "seeds that change what is measured: as it is, more of them say nothing new");
        return;
    }
    if (c->reason == CLAIM_REASON_ADDED) {
        buf_addf(to,
                 "an experiment of its own with %zu seeds, or one that declares in compare.looks "
                 "at how many it will be looked at",
                 study->seeds_n);
        return;
    }
    if (!c->tested)
        buf_addf(to, "a claim needs %d seeds in which both runs end; there %s %zu", STATS_CLAIM_N,
                 c->n == 1 ? "is" : "are", c->n);
    if (c->needed.seeds > c->n)
        change_needed(study, c, to);
    else if (c->tested && isfinite(equivalent_from(c)))
        change_margin(study, c, to);
    else if (c->tested)
        buf_adds(to, "runs that don't diverge");
}

static void change_apart(const struct study *study, const struct statement *c, struct buf *to)
{
    if (!isfinite(equivalent_from(c))) {
        buf_adds(to, "runs that don't diverge");
        return;
    }
    buf_adds(to, c->family > 1 ? "only with a margin of more than " : "with a margin of ");
    words_amount(study, two_digits(equivalent_from(c), true), 6, to);
    buf_adds(to, c->family > 1 ? " could the arms count as equivalent"
                               : " or more the arms would count as equivalent");
}

static void change_equivalent(const struct study *study, const struct statement *c, struct buf *to)
{
    if (equivalent_from(c) == 0) {
        buf_adds(to, "a margin of 0 would undo it, and no other: every pair is one value");
        return;
    }
    buf_adds(to, "a margin of ");
    words_amount(study, two_digits(equivalent_from(c), false), 6, to);
    buf_adds(to, " or less would undo it");
}

static void change_invalid(const struct study *study, const struct statement *c, struct buf *to)
{
    (void)study;
    if (c->against == NULL) {
        buf_adds(to, "\"at\": \"last\" in compare, or a metric of the test split, which is "
                     "measured once");
        return;
    }
    const struct audit_info *info = audit_find(c->against->name);
    buf_addf(to, "nothing, as long as %s fails. %s", c->against->name,
             info != NULL ? info->remedy : "Mend what it found and submit again.");
}

static void (*const changers[])(const struct study *, const struct statement *, struct buf *) = {
    [VERDICT_BETTER] = change_apart,          [VERDICT_WORSE] = change_apart,
    [VERDICT_EQUIVALENT] = change_equivalent, [VERDICT_UNDETERMINED] = change_undetermined,
    [VERDICT_INVALID] = change_invalid,
};

static void change_runs(const struct study *study, json_t *list)
{
    const int64_t *counts = study->in->experiment->counts;
    long long open = (long long)(counts[RUN_QUEUED] + counts[RUN_RUNNING]);
    long long failed = (long long)counts[RUN_FAILED];
    long long cancelled = (long long)counts[RUN_CANCELLED];
    struct buf text;
    buf_init(&text, 0);
    if (open > 0)
        buf_addf(&text, "%lld run%s still %s to end.", open, open == 1 ? "" : "s",
                 open == 1 ? "has" : "have");
    append(list, &text);
    buf_init(&text, 0);
    if (failed + cancelled > 0)
        buf_addf(&text, "Retrying the %lld run%s that failed or %s cancelled brings %s back.",
                 failed + cancelled, failed + cancelled == 1 ? "" : "s", was(failed + cancelled),
                 failed + cancelled == 1 ? "its pair" : "their pairs");
    append(list, &text);
}

json_t *remarks_changes(const struct study *study, const struct claims *claims)
{
    enum { TOLD_MAX = 8 }; /* as in the verdict */
    json_t *list = json_array();
    change_runs(study, list);
    for (size_t i = 0; i < claims->primary_n && i < TOLD_MAX; i++) {
        const struct statement *c = &claims->primary[i];
        struct buf text, change;
        if (claims->open && c->verdict != VERDICT_INVALID)
            continue;
        buf_init(&text, 0);
        buf_init(&change, 0);
        changers[c->verdict](study, c, &change);
        if (change.len > 0)
            buf_addf(&text, "%s against %s: %s%s", c->arm, study->compare.baseline, change.data,
                     change.data[change.len - 1] == '.' ? "" : ".");
        buf_done(&change);
        append(list, &text);
    }
    return list;
}
