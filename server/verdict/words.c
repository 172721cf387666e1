/* The sentences of claims and of the verdict: one function a verdict, and the parts they share. */
#include "server/verdict/words.h"

#include "common/json/jsonx_dump.h"
#include "common/spec/point.h"
#include "server/objects/objects.h"
#include "server/verdict/doubts.h"
#include "server/verdict/timing/timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool tuned(const struct study *study, const char *path)
{
    for (size_t i = 0; i < json_array_size(study->compare.tune); i++)
        if (strcmp(json_string_value(json_array_get(study->compare.tune, i)), path) == 0)
            return true;
    return false;
}

/* " at L = 128", " over L = 64, 128, 256": where a primary claim was measured. Without a grid the
 * length says what kind of experiment it was. */
static void add_place(const struct study *study, const struct statement *claim, struct buf *to)
{
    const char *path;
    json_t *values;
    size_t n = 0;
    if (claim->slot != NULL && json_object_size(claim->slot->grid) > 0) {
        point_say_symbols(claim->slot->grid, " at ", to);
        return;
    }
    json_object_foreach(json_object_get(study->spec, "grid"), path, values)
    {
        if (tuned(study, path) || json_array_size(values) == 0)
            continue;
        buf_adds(to, n++ > 0 ? " and " : json_array_size(values) > 1 ? " over " : " at ");
        buf_addf(to, "%s = ", point_symbol(path));
        for (size_t i = 0; i < json_array_size(values); i++) {
            buf_adds(to, i > 0 ? ", " : "");
            jsonx_dump(json_array_get(values, i), JSONX_CANONICAL, to);
        }
    }
    const json_t *length = json_object_get(json_object_get(study->spec, "data"), "seq_len");
    if (n == 0 && json_is_integer(length))
        buf_addf(to, " at L = %lld", (long long)json_integer_value(length));
}

/* Decimals that show two digits of a size. */
static int decimals(double size)
{
    if (!(size > 0) || !isfinite(size))
        return 3;
    int n = 1 - (int)floor(log10(size));
    return n < 0 ? 0 : n > 9 ? 9 : n;
}

static void add_number(double value, int digits, bool sign, struct buf *to)
{
    char text[64];
    if (isnan(value)) {
        buf_adds(to, "unknown");
        return;
    }
    snprintf(text, sizeof text, "%.*f", digits, fabs(value));
    bool zero = strspn(text, "0.") == strlen(text);
    buf_adds(to, value < 0 && !zero ? "−" : sign && !zero ? "+" : "");
    buf_adds(to, isinf(value) ? "∞" : text);
}

/* A difference as it is told: of shares in points. */
static double told(const struct study *s, double difference)
{
    return s->compare.share ? 100 * difference : difference;
}

static const char *unit_of(const struct study *s)
{
    return s->compare.share ? " points" : "";
}

void words_seeds(const struct stats_needed *needed, struct buf *to)
{
    if (needed->low < needed->high)
        buf_addf(to, "%zu to ", needed->low);
    buf_addf(to, "%zu seeds", needed->high);
}

void words_cell(const struct cell *cell, struct buf *to)
{
    json_t *grid = objects_embed(cell->grid);
    buf_adds(to, cell->arm);
    point_say_symbols(grid, " at ", to);
    json_decref(grid);
}

void words_amount(const struct study *study, double size, int digits, struct buf *to)
{
    double amount = told(study, size);
    buf_addf(to, "%.*g%s", digits, amount,
             study->compare.share && fabs(amount - 1) < 1e-9 ? " point" : unit_of(study));
}

/* An end on one side of 0 isn't told as 0, on which side the claim may hang; what is smaller still is
 * rounding. */
static int digits_of_end(double end, int digits)
{
    if (end == 0 || !isfinite(end) || fabs(end) >= 0.5 * pow(10, -digits))
        return digits;
    int first = -(int)floor(log10(fabs(end)));
    return first <= digits + 3 ? first : digits;
}

static void add_interval(const struct study *s, const struct stats_interval *i, int digits,
                         struct buf *to)
{
    double low = told(s, i->low), high = told(s, i->high);
    buf_addc(to, '[');
    add_number(low, digits_of_end(low, digits), false, to);
    buf_adds(to, ", ");
    add_number(high, digits_of_end(high, digits), false, to);
    buf_addc(to, ']');
}

static int digits_of(const struct study *s, const struct statement *c)
{
    double width = c->tested ? told(s, c->ci95.high - c->ci95.low) / 2 : NAN;
    return decimals(isfinite(width) && width > 0 ? width : fabs(told(s, c->mean)));
}

static void add_p(double p, struct buf *to)
{
    if (p < 0.001)
        buf_adds(to, "p < 0.001");
    else
        buf_addf(to, "p = %.*f", p < 0.1 ? 3 : 2, p);
}

/* "val/loss Δ = 0.004 [−0.011, 0.019] (+0.2 %), n = 8"; "val/accuracy Δ = +3.1 points [1.9, 4.3],
 * n = 8" */
static void add_delta(const struct study *s, const struct statement *c, struct buf *to)
{
    int digits = digits_of(s, c);
    buf_addf(to, "%s Δ = ", s->compare.judged);
    add_number(told(s, c->mean), digits, s->compare.share, to);
    buf_adds(to, unit_of(s));
    if (c->tested) {
        buf_addc(to, ' ');
        add_interval(s, &c->ci95, digits, to);
    }
    double relative = c->mean / fabs(c->base_mean);
    if (!s->compare.share && isfinite(relative) && c->base_mean != 0 &&
        c->verdict != VERDICT_UNDETERMINED) {
        buf_adds(to, " (");
        add_number(100 * relative, 1, true, to);
        buf_adds(to, " %)");
    }
    buf_addf(to, ", n = %zu", c->n);
}

static void add_margin(const struct study *s, struct buf *to)
{
    buf_adds(to, "±");
    words_amount(s, s->compare.margin, 15, to);
}

/* Bytes of an arm's name that stands at `at`, the longest of them; 0: none does. */
static size_t arm_at(const struct study *s, const char *at)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->layout.arms_n; i++) {
        size_t len = strlen(s->layout.arms[i]);
        if (len > longest && strncmp(at, s->layout.arms[i], len) == 0)
            longest = len;
    }
    return longest;
}

/* What an audit found, in brief: its detail's first clause. An arm's name is no place to end. */
static void add_gist(const struct study *s, const char *detail, struct buf *to)
{
    static const char *const ends[] = { ": ", "; ", ". " };
    size_t len = 0;
    for (bool ended = detail[0] == '\0'; !ended;) {
        size_t name = arm_at(s, detail + len);
        len += name > 0 ? name : 1;
        ended = detail[len] == '\0';
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            ended |= strncmp(detail + len, ends[i], strlen(ends[i])) == 0;
    }
    if (len > 0 && detail[len - 1] == '.')
        len--;
    if (len > 0)
        buf_addf(to, ": %.*s", (int)len, detail);
}

/* Why a claim is invalid: "it fails causality: 48.4 % of the positions …". Returns whether the arm
 * itself is to blame, rather than the baseline or all of them. */
static bool add_reason(const struct study *s, const struct statement *c, struct buf *to)
{
    const struct audit_row *row = c->against;
    if (row == NULL) {
        buf_adds(to, "\"at\": \"best\" takes each run's best value, and of two arms the noisier "
                     "one has the better best; \"last\" compares what training ended with");
        return false;
    }
    const struct audit_info *info = audit_find(row->name);
    bool of_arm = info != NULL && audit_names_arm(info->scope) && row->arm != NULL;
    bool own = of_arm && strcmp(row->arm, c->arm) == 0;
    if (of_arm)
        buf_addf(to, "%s fails %s", own ? "it" : row->arm, row->name);
    else
        buf_addf(to, "%s fails", row->name);
    add_gist(s, row->detail != NULL ? row->detail : "", to);
    return own;
}

/* ", at look 2 of 2 (2.5 %)": of several that were declared. */
static void add_look(const struct study *s, struct buf *to)
{
    if (s->compare.looks > 1)
        buf_addf(to, ", at look %zu of %zu (%.3g %%)", s->compare.look, s->compare.looks,
                 100 * s->compare.level);
}

/* One function a verdict: the sentence without its full stop. */

static void say_apart(const struct study *s, const struct statement *c, const char *how,
                      struct buf *to)
{
    buf_addf(to, "%s is %s than %s", c->arm, how, s->compare.baseline);
    add_place(s, c, to);
    buf_adds(to, ": ");
    add_delta(s, c, to);
    buf_adds(to, ", ");
    add_p(c->p_adjusted, to);
    if (c->family > 1)
        buf_addf(to, " (adjusted over %zu claims)", c->family);
    add_look(s, to);
    bool better = c->verdict == VERDICT_BETTER;
    buf_addf(to, "; %s in %zu of %zu seeds", better ? "better" : "worse",
             better ? c->agree : c->disagree, c->n);
}

static void say_better(const struct study *s, const struct statement *c, struct buf *to)
{
    say_apart(s, c, "better", to);
}

static void say_worse(const struct study *s, const struct statement *c, struct buf *to)
{
    say_apart(s, c, "worse", to);
}

static void say_equivalent(const struct study *s, const struct statement *c, struct buf *to)
{
    buf_addf(to, "%s and %s are equivalent within ", c->arm, s->compare.baseline);
    add_margin(s, to);
    add_place(s, c, to);
    buf_adds(to, ": ");
    add_delta(s, c, to);
    buf_adds(to, "; 90 % interval ");
    add_interval(s, &c->ci90, digits_of(s, c), to);
    if (c->family > 1)
        buf_addf(to, " (the claim is adjusted over %zu, the interval isn't)", c->family);
    add_look(s, to);
    if (c->ci95.low > 0 || c->ci95.high < 0)
        buf_adds(to, "; there is a difference, but it is below the margin");
}

/* "14 to 60 seeds for an 80 % chance of detecting ±0.01": the range, since the spread itself is an
 * estimate. */
static void add_needed(const struct study *s, const struct statement *c, struct buf *to)
{
    words_seeds(&c->needed, to);
    buf_adds(to, " for an 80 % chance of detecting ");
    add_margin(s, to);
}

static void say_undetermined(const struct study *s, const struct statement *c, struct buf *to)
{
    if (c->n == 0) {
        buf_addf(to, "%s can't be compared with %s", c->arm, s->compare.baseline);
        add_place(s, c, to);
        buf_adds(to, ": no seed has a run of both that measured ");
        buf_adds(to, s->compare.judged);
        return;
    }
    if (c->disturbed > 0) {
        buf_addf(to, "No claim about %s against %s", c->arm, s->compare.baseline);
        add_place(s, c, to);
        buf_adds(to, ": ");
        add_delta(s, c, to);
        buf_addf(to, ", but times of %zu pair%s were taken ", c->disturbed,
                 c->disturbed == 1 ? "" : "s");
        timing_words(c->disturbances, to);
        return;
    }
    if (c->reason == CLAIM_REASON_NO_VARIANCE) {
        buf_addf(to, "No claim about %s against %s", c->arm, s->compare.baseline);
        add_place(s, c, to);
        buf_adds(to, ": ");
        add_delta(s, c, to);
        buf_adds(to, ", the same in every seed: what the seed doesn't change it doesn't repeat");
        return;
    }
    if (c->reason == CLAIM_REASON_ADDED) {
        size_t added = s->seeds_n > s->compare.submitted ? s->seeds_n - s->compare.submitted : 0;
        buf_addf(to, "No claim about %s against %s", c->arm, s->compare.baseline);
        add_place(s, c, to);
        buf_adds(to, ": over all seeds ");
        add_delta(s, c, to);
        buf_addf(to,
                 "; %zu seed%s added to the %zu that were submitted, and "
                 "compare.looks had not declared %zu",
                 added, added == 1 ? " was" : "s were", s->compare.submitted, s->seeds_n);
        return;
    }
    if (c->tested) {
        buf_addf(to, "%s and %s can't be told apart", c->arm, s->compare.baseline);
        add_place(s, c, to);
        buf_adds(to, ": ");
        add_delta(s, c, to);
        if (c->n < stats_least_pairs(s->compare.level))
            buf_addf(to, ", and fewer than %zu seeds can't reach the %.2g %% of a look",
                     stats_least_pairs(s->compare.level), 100 * s->compare.level);
    } else {
        buf_addf(to, "No claim about %s against %s", c->arm, s->compare.baseline);
        add_place(s, c, to);
        buf_adds(to, ": ");
        add_delta(s, c, to);
        buf_addf(to, ", and fewer than %d seeds can't reach 5 %%", STATS_CLAIM_N);
    }
    if (c->needed.seeds > c->n) {
        buf_adds(to, "; ");
        add_needed(s, c, to);
    }
}

/* Two short sentences: the claim falls, and the figure that looks like one means nothing. */
static void say_invalid(const struct study *s, const struct statement *c, struct buf *to)
{
    double size = fabs(told(s, c->mean));
    buf_addf(to, "%s can't be compared with %s", c->arm, s->compare.baseline);
    add_place(s, c, to);
    buf_adds(to, ": ");
    bool own = add_reason(s, c, to);
    if (c->n == 0)
        return;
    buf_addf(to, ". %s%s %s", own ? "Its" : c->arm, own ? "" : "'s", s->compare.judged);
    if (size > 0 && isfinite(size)) {
        buf_adds(to, ", ");
        add_number(size, decimals(size), false, to);
        buf_addf(to, "%s %s,", unit_of(s), c->mean < 0 ? "lower" : "higher");
    }
    buf_adds(to, " says nothing about which is better");
}

static void (*const sayers[])(const struct study *, const struct statement *, struct buf *) = {
    [VERDICT_BETTER] = say_better,         [VERDICT_WORSE] = say_worse,
    [VERDICT_EQUIVALENT] = say_equivalent, [VERDICT_UNDETERMINED] = say_undetermined,
    [VERDICT_INVALID] = say_invalid,
};

/* Pairs that count against the claim, and those that don't count. */
static void add_against(const struct statement *c, struct buf *to)
{
    if (c->verdict == VERDICT_INVALID)
        return;
    if (c->lost > 0)
        buf_addf(to, "; %zu pair%s that both arms lost %s left out", c->lost,
                 c->lost == 1 ? "" : "s", c->lost == 1 ? "is" : "are");
    if (c->one_sided > 0)
        buf_addf(to, "; %zu pair%s whose run was lost in one arm only count%s against it",
                 c->one_sided, c->one_sided == 1 ? "" : "s", c->one_sided == 1 ? "s" : "");
    if (c->cancelled > 0)
        buf_addf(to, "; %zu cancelled pair%s count%s against it", c->cancelled,
                 c->cancelled == 1 ? "" : "s", c->cancelled == 1 ? "s" : "");
}

/* A mean that a few seeds make. */
static void add_skew(const struct study *s, const struct statement *c, struct buf *to)
{
    if (!c->skewed || c->verdict == VERDICT_INVALID)
        return;
    int digits = digits_of(s, c);
    buf_adds(to, "; but the differences are skewed: their median is ");
    add_number(told(s, c->median), digits, s->compare.share, to);
    buf_adds(to, ", and the interval by bootstrap-t ");
    add_interval(s, &c->bootstrap, digits, to);
}

/* All but what ran elsewhere, which concerns all claims of an experiment. */
static void say_claim(const struct study *study, const struct claims *claims,
                      const struct statement *claim, struct buf *to)
{
    if (claims->open && claim->verdict != VERDICT_INVALID) {
        buf_addf(to, "No claim about %s against %s before every run has ended.", claim->arm,
                 study->compare.baseline);
        return;
    }
    sayers[claim->verdict](study, claim, to);
    if (claim->diverged > 0 || claim->base_diverged > 0)
        buf_addf(to, "; diverged, counted as worst: %zu of %s, %zu of %s", claim->diverged,
                 claim->arm, claim->base_diverged, study->compare.baseline);
    add_against(claim, to);
    add_skew(study, claim, to);
    doubts_say(study, claim, to);
    buf_addc(to, '.');
}

void words_claim(const struct study *study, const struct claims *claims,
                 const struct statement *claim, struct buf *to)
{
    say_claim(study, claims, claim, to);
    doubts_say_elsewhere(claim, to);
}

void words_pairs(const struct study *study, const struct statement *claim, struct buf *to)
{
    const struct {
        size_t n;
        const char *what, *arm;
    } parts[] = {
        { claim->lost, "lost by both", NULL },
        { claim->one_sided, "lost by one", NULL },
        { claim->cancelled, "cancelled", NULL },
        { claim->open, "open", NULL },
        { claim->diverged, "diverged", claim->arm },
        { claim->base_diverged, "diverged", study->compare.baseline },
        { claim->disturbed, "disturbed", NULL },
    };
    buf_addf(to, "%zu of %zu pair%s", claim->n, claim->planned, claim->planned == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].n == 0)
            continue;
        buf_addf(to, ", %zu %s", parts[i].n, parts[i].what);
        if (parts[i].arm != NULL)
            buf_addf(to, " (%s)", parts[i].arm);
    }
}

static json_t *string_of(struct buf *text)
{
    json_t *made = json_string(text->data != NULL ? text->data : "");
    buf_done(text);
    return made;
}

enum { TOLD_MAX = 8 }; /* claims in the verdict; `primary` has them all */

json_t *words_verdict(const struct study *study, const struct claims *claims)
{
    const int64_t *counts = study->in->experiment->counts;
    int64_t open = counts[RUN_QUEUED] + counts[RUN_RUNNING], all = study->in->experiment->runs_n;
    const struct statement *made = NULL; /* one that says what ran elsewhere */
    struct buf text;
    buf_init(&text, 0);
    if (claims->open)
        buf_addf(&text, "%lld of %lld runs have ended; nothing is claimed before all have.",
                 (long long)(all - open), (long long)all);
    else if (claims->primary_n == 0)
        buf_adds(&text, "There is nothing to compare: no arm stands beside the baseline.");
    for (size_t i = 0; i < claims->primary_n; i++) {
        const struct statement *c = &claims->primary[i];
        if ((claims->open && c->verdict != VERDICT_INVALID) || i > TOLD_MAX)
            continue;
        buf_adds(&text, text.len > 0 ? " " : "");
        if (i == TOLD_MAX)
            buf_addf(&text, "And %zu arms more.", claims->primary_n - TOLD_MAX);
        else
            say_claim(study, claims, c, &text);
        made = made == NULL || claim_is_made(c) ? c : made;
    }
    if (made != NULL)
        doubts_say_elsewhere(made, &text);
    return json_pack("{s:s, s:o}", "status", claims_status(claims), "sentence", string_of(&text));
}
