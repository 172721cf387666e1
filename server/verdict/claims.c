/* Claims out of pairs: their two sides when some count against, the families, the verdict. */
#include "server/verdict/claims.h"

#include "server/verdict/pairs.h"
#include "server/verdict/statistics/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_names[] = { "better",       "worse",   "equivalent",
                                      "undetermined", "invalid", NULL };

const char *const claim_reason_names[] = {
    [CLAIM_REASON_NONE] = NULL,
    [CLAIM_REASON_BEST] = "best",
    [CLAIM_REASON_NO_VARIANCE] = "no_variance",
    [CLAIM_REASON_ADDED] = "seeds_added",
};

/* All of them one number, but for rounding: the seed decides nothing. */
static bool is_flat(const struct statement *c)
{
    return c->n > 1 && isfinite(c->mean) && c->mean != 0 && c->sd <= 1e-12 * fabs(c->mean);
}

static void count_pairs(const struct study *study, struct statement *c, const struct pair *pairs,
                        double *room)
{
    struct sample finite = { 0 }, base = { 0 };
    double sum = 0;
    for (size_t j = 0; j < study->seeds_n; j++) {
        const struct pair *pair = &pairs[j];
        c->differences[j] = NAN;
        c->planned += pair->kind != PAIR_NONE;
        c->lost += pair->kind == PAIR_LOST;
        c->one_sided += pair->kind == PAIR_ONE_SIDED;
        c->cancelled += pair->kind == PAIR_CANCELLED;
        c->open += pair->kind == PAIR_OPEN;
        if (pair->kind != PAIR_MEASURED)
            continue;
        c->differences[j] = room[c->n++] = pair->difference;
        c->diverged += pair->diverged;
        c->base_diverged += pair->base_diverged;
        c->disturbed += pair->disturbed != 0;
        c->disturbances |= pair->disturbed;
        double gain = study->compare.maximise ? pair->difference : -pair->difference;
        c->agree += gain > 0;
        c->disagree += gain < 0;
        sum += pair->difference;
        if (isfinite(pair->difference))
            sample_add(&finite, pair->difference);
        if (isfinite(pair->base))
            sample_add(&base, pair->base);
    }
    /* an infinite difference makes the mean infinite, two of opposite signs make it unknown */
    c->mean = finite.n == c->n && c->n > 0 ? finite.mean : c->n > 0 ? sum : NAN;
    c->base_mean = base.n > 0 ? base.mean : NAN;
    c->median = stats_median(room, c->n);
    c->sd = sample_sd(&finite);
    c->needed = stats_needed_seeds(finite.n, c->sd, study->compare.margin, study->compare.level);
    c->power = c->needed.seeds > 0
                   ? stats_power(finite.n, c->sd, study->compare.margin, study->compare.level)
                   : (double)NAN;
    c->bootstrap = (struct stats_interval){ NAN, NAN };
    c->reason = is_flat(c)                  ? CLAIM_REASON_NO_VARIANCE
                : study_was_declared(study) ? CLAIM_REASON_NONE
                                            : CLAIM_REASON_ADDED;
}

/* How a claim is tested: d[seeds], differences by seed, NaN where there is no pair. side: the sign
 * of the pairs that count against. An infinite difference becomes one that dwarfs all others: tests by signs
 * and intervals by order are then what they tend to. Returns the size from which on a result stands
 * for an infinite one. */
static double vector_fill(const struct study *study, const struct pair *pairs, double side,
                          double *d)
{
    double greatest = study->compare.margin, sum = greatest;
    for (size_t j = 0; j < study->seeds_n; j++) {
        double size = fabs(pairs[j].difference);
        if (pairs[j].kind != PAIR_MEASURED || !isfinite(size))
            continue;
        greatest = fmax(greatest, size);
        sum += size;
    }
    double n = (double)study->seeds_n, dwarfing = 4096 * n * (sum > 0 ? sum : 1);
    for (size_t j = 0; j < study->seeds_n; j++) {
        double own = pairs[j].difference;
        bool against = pairs[j].kind == PAIR_ONE_SIDED || pairs[j].kind == PAIR_CANCELLED;
        d[j] = against                          ? side * greatest
               : pairs[j].kind != PAIR_MEASURED ? (double)NAN
               : isfinite(own)                  ? own
                                                : copysign(dwarfing, own);
    }
    return dwarfing / (2 * n);
}

static struct stats_interval ends_of(struct stats_interval i, double beyond)
{
    return (struct stats_interval){ fabs(i.low) >= beyond ? copysign(INFINITY, i.low) : i.low,
                                    fabs(i.high) >= beyond ? copysign(INFINITY, i.high) : i.high };
}

static int test_vector(const struct study *study, struct stats_flips *flips, const double *d,
                       double beyond, double *room, struct stats_paired *ret, struct err *err)
{
    size_t n = 0;
    for (size_t j = 0; j < study->seeds_n; j++)
        if (!isnan(d[j]))
            room[n++] = d[j];
    int status = stats_paired(flips, room, n, ret, err);
    if (status == 0) {
        ret->ci95 = ends_of(ret->ci95, beyond);
        ret->ci90 = ends_of(ret->ci90, beyond);
    }
    return status;
}

/* What came out of one side of the pairs that count against: the figures of the claim alone, and
 * its two p in its family. */
struct side {
    struct stats_paired alone;
    double p, p_equivalent;
};

/* Fills p, the intervals and the verdict from both sides. */
static void judge(const struct study *study, struct statement *c, const struct side side[2])
{
    const struct stats_paired *a = &side[0].alone, *b = &side[1].alone;
    enum stats_verdict said[2];
    c->p = fmax(a->p, b->p);
    c->p_adjusted = fmax(fmax(side[0].p, side[1].p), c->p);
    c->p_equivalent = fmax(side[0].p_equivalent, side[1].p_equivalent);
    c->ci95 = (struct stats_interval){ a->ci95.low, b->ci95.high };
    c->ci90 = (struct stats_interval){ a->ci90.low, b->ci90.high };
    for (int i = 0; i < 2; i++)
        said[i] = stats_judge(side[i].alone.mean, c->p_adjusted, c->p_equivalent,
                              study->compare.level, !study->compare.maximise);
    c->verdict = said[0] == said[1] ? (enum verdict)said[0] : VERDICT_UNDETERMINED;
    if (c->reason != CLAIM_REASON_NONE)
        c->verdict = VERDICT_UNDETERMINED;
}

/* What all claims of a study are made with. */
struct work_room {
    const struct study *study;
    const struct findings *findings;
    struct pair *pairs;
    double *side[2], *room;      /* [seeds] vectors of the two sides; scratch */
    struct stats_flips flips[2]; /* of all seeds; of another number of pairs */
};

/* Whether a few seeds make the mean. Where pairs count against the claim or runs diverged there is no
 * telling. */
static int look_for_skew(const struct work_room *w, struct statement *c, const struct side *side,
                         struct err *err)
{
    size_t n = 0;
    if (c->diverged + c->base_diverged > 0 || c->reason == CLAIM_REASON_NO_VARIANCE)
        return 0;
    for (size_t j = 0; j < w->study->seeds_n; j++)
        if (!isnan(c->differences[j]))
            w->room[n++] = c->differences[j];
    const struct stats_interval *own = &side->alone.ci95;
    int status = bootstrap_t(w->room, n, &c->bootstrap, err);
    c->skewed = c->mean * c->median < 0 ||
                (own->low > 0 || own->high < 0) != (c->bootstrap.low > 0 || c->bootstrap.high < 0);
    return status;
}

static size_t against_of(const struct statement *c)
{
    return c->cancelled + c->one_sided;
}

static int test_claim(struct work_room *w, struct statement *c, struct side side[2],
                      struct err *err)
{
    c->verdict = VERDICT_UNDETERMINED;
    c->differences = calloc(w->study->seeds_n + 1, sizeof *c->differences);
    if (c->differences == NULL)
        return err_no_memory(err, "claims");
    count_pairs(w->study, c, w->pairs, w->room);
    c->tested = c->n >= STATS_CLAIM_N;
    if (!c->tested)
        return 0;
    struct stats_flips *flips = &w->flips[c->n + against_of(c) < w->study->seeds_n];
    double beyond = vector_fill(w->study, w->pairs, -1, w->side[0]);
    int status = test_vector(w->study, flips, w->side[0], beyond, w->room, &side[0].alone, err);
    side[1] = side[0];
    vector_fill(w->study, w->pairs, 1, w->side[1]);
    if (status == 0 && against_of(c) > 0)
        status = test_vector(w->study, flips, w->side[1], beyond, w->room, &side[1].alone, err);
    else if (status == 0)
        status = look_for_skew(w, c, &side[0], err);
    return status;
}

static void settle(const struct findings *findings, const struct claims *claims,
                   struct statement *c)
{
    c->against = checks_against(findings, c->arm, c->slot != NULL ? c->slot->key : NULL);
    if (c->disturbed > 0)
        c->verdict = VERDICT_UNDETERMINED;
    if (claims->open) {
        c->tested = false;
        c->verdict = VERDICT_UNDETERMINED;
    }
    if (findings->study->compare.best)
        c->reason = CLAIM_REASON_BEST;
    if (c->against != NULL || c->reason == CLAIM_REASON_BEST)
        c->verdict = VERDICT_INVALID;
}

/* What an arm's claims don't know of. unaudited: of the baseline. Where no claim can be made nothing
 * is looked up: there may be thousands of cells. */
static void doubt(const struct findings *findings, unsigned unaudited, struct statement *primary)
{
    if (findings->study->seeds_n < STATS_CLAIM_N)
        return;
    primary->selection = checks_warning(findings, AUDIT_SELECTION, NULL);
    primary->change = checks_warning(findings, AUDIT_ONE_CHANGE, primary->arm);
    primary->unaudited = unaudited | checks_untold(findings, primary->arm);
}

static void doubt_alike(const struct claims *claims, struct statement *secondary)
{
    for (size_t i = 0; i < claims->primary_n; i++) {
        const struct statement *primary = &claims->primary[i];
        if (strcmp(primary->arm, secondary->arm) != 0)
            continue;
        secondary->selection = primary->selection;
        secondary->change = primary->change;
        secondary->unaudited = primary->unaudited;
    }
}

/* The claims of a family that can be tested, as rows for the adjusted tests. */
struct family {
    struct statement **members;
    struct side (*sides)[2];
    double *rows[2], *p; /* of the two sides; scratch */
    size_t n;
    bool against; /* some pair counts against: the sides differ */
};

static bool family_init(struct family *f, const struct study *study)
{
    size_t room = study->slots_n + 1, cells = room * (study->seeds_n + 1);
    *f = (struct family){ .members = calloc(room, sizeof *f->members),
                          .sides = calloc(room, sizeof *f->sides),
                          .p = calloc(room, sizeof *f->p) };
    f->rows[0] = calloc(cells, sizeof *f->rows[0]);
    f->rows[1] = calloc(cells, sizeof *f->rows[1]);
    return f->members != NULL && f->sides != NULL && f->p != NULL && f->rows[0] != NULL &&
           f->rows[1] != NULL;
}

static void family_done(struct family *f)
{
    free(f->members);
    free(f->sides);
    free(f->p);
    free(f->rows[0]);
    free(f->rows[1]);
}

/* Tests the claim whose pairs lie in w, alone; if it can be tested, it joins the family. */
static int family_add(struct family *f, struct work_room *w, struct statement *c, struct err *err)
{
    const size_t seeds = w->study->seeds_n;
    int status = test_claim(w, c, f->sides[f->n], err);
    if (status != 0 || !c->tested)
        return status;
    for (int i = 0; i < 2; i++)
        memcpy(f->rows[i] + f->n * seeds, w->side[i], seeds * sizeof *w->side[i]);
    f->against |= against_of(c) > 0;
    f->members[f->n++] = c;
    return 0;
}

static int family_judge(struct family *f, struct work_room *w, struct err *err)
{
    const struct study *study = w->study;
    const double margin = study->compare.margin;
    int status = 0;
    for (int i = 0; status == 0 && i < 1 + f->against; i++) {
        status = stats_adjusted(&w->flips[0], f->rows[i], f->n, study->seeds_n, f->p, err);
        for (size_t c = 0; status == 0 && c < f->n; c++)
            f->sides[c][i].p = f->p[c];
        if (status == 0)
            status = stats_equivalence(&w->flips[0], f->rows[i], f->n, study->seeds_n, margin, f->p,
                                       err);
        for (size_t c = 0; status == 0 && c < f->n; c++)
            f->sides[c][i].p_equivalent = f->p[c];
    }
    for (size_t c = 0; status == 0 && c < f->n; c++) {
        if (!f->against) {
            f->sides[c][1].p = f->sides[c][0].p;
            f->sides[c][1].p_equivalent = f->sides[c][0].p_equivalent;
        }
        f->members[c]->family = f->n;
        judge(study, f->members[c], (const struct side *)f->sides[c]);
    }
    return status;
}

static int make_primary(struct work_room *w, struct family *f, struct claims *claims,
                        struct err *err)
{
    const struct study *study = w->study;
    json_t *seen = json_object();
    int status = seen != NULL ? 0 : err_no_memory(err, "claims");
    for (size_t s = 0; status == 0 && s < study->slots_n; s++) {
        const char *arm = study->slots[s].arm;
        if (study_is_baseline(study, arm) || json_object_get(seen, arm) != NULL)
            continue;
        json_object_set_new(seen, arm, json_true());
        struct statement *c = &claims->primary[claims->primary_n++];
        *c = (struct statement){ .arm = arm };
        pairs_over_grid(study, arm, w->pairs);
        status = family_add(f, w, c, err);
    }
    json_decref(seen);
    return status;
}

/* Without a grid the claims at the only place are the primary ones. */
static int copy_primary(const struct study *study, struct claims *claims, struct err *err)
{
    const size_t bytes = (study->seeds_n + 1) * sizeof *claims->primary->differences;
    for (size_t s = 0; s < study->slots_n; s++) {
        const struct slot *slot = &study->slots[s];
        if (study_is_baseline(study, slot->arm))
            continue;
        struct statement *c = &claims->secondary[claims->secondary_n];
        *c = claims->primary[claims->secondary_n++];
        c->slot = slot;
        c->base = study_baseline(study, slot);
        c->differences = malloc(bytes);
        if (c->differences == NULL)
            return err_no_memory(err, "claims");
        memcpy(c->differences, claims->primary[claims->secondary_n - 1].differences, bytes);
    }
    return 0;
}

static int make_secondary(struct work_room *w, struct family *f, struct claims *claims,
                          struct err *err)
{
    const struct study *study = w->study;
    int status = 0;
    for (size_t s = 0; status == 0 && s < study->slots_n; s++) {
        const struct slot *slot = &study->slots[s], *base = study_baseline(study, slot);
        if (study_is_baseline(study, slot->arm))
            continue;
        struct statement *c = &claims->secondary[claims->secondary_n++];
        *c = (struct statement){ .arm = slot->arm, .slot = slot, .base = base };
        for (size_t j = 0; j < study->seeds_n; j++)
            w->pairs[j] = pairs_of(study, slot, base, j);
        status = family_add(f, w, c, err);
    }
    return status;
}

static int make_family(struct work_room *w, struct claims *claims,
                       int (*make)(struct work_room *, struct family *, struct claims *,
                                   struct err *),
                       struct err *err)
{
    struct family f;
    int status =
        family_init(&f, w->study) ? make(w, &f, claims, err) : err_no_memory(err, "claims");
    if (status == 0)
        status = family_judge(&f, w, err);
    family_done(&f);
    return status;
}

static bool room_init(struct work_room *w, const struct findings *findings)
{
    size_t n = findings->study->seeds_n + 1;
    *w = (struct work_room){ .study = findings->study, .findings = findings };
    w->pairs = calloc(n, sizeof *w->pairs);
    w->room = calloc(n, sizeof *w->room);
    w->side[0] = calloc(n, sizeof *w->side[0]);
    w->side[1] = calloc(n, sizeof *w->side[1]);
    return w->pairs != NULL && w->room != NULL && w->side[0] != NULL && w->side[1] != NULL;
}

static void room_done(struct work_room *w)
{
    free(w->pairs);
    free(w->room);
    free(w->side[0]);
    free(w->side[1]);
    stats_flips_done(&w->flips[0]);
    stats_flips_done(&w->flips[1]);
}

int claims_init(struct claims *claims, const struct findings *findings, struct err *err)
{
    const struct study *study = findings->study;
    const int64_t *counts = study->in->experiment->counts;
    struct work_room w;
    *claims = (struct claims){ .open = counts[RUN_QUEUED] + counts[RUN_RUNNING] > 0 };
    claims->primary = calloc(study->slots_n + 1, sizeof *claims->primary);
    claims->secondary = calloc(study->slots_n + 1, sizeof *claims->secondary);
    bool room = room_init(&w, findings) && claims->primary != NULL && claims->secondary != NULL;
    int status =
        room ? make_family(&w, claims, make_primary, err) : err_no_memory(err, "the claims");
    if (status == 0)
        status = study->layout.places_n == 1 ? copy_primary(study, claims, err)
                                             : make_family(&w, claims, make_secondary, err);
    unsigned unaudited = status == 0 && study->seeds_n >= STATS_CLAIM_N
                             ? checks_untold(findings, study->compare.baseline)
                             : 0;
    for (size_t i = 0; status == 0 && i < claims->primary_n; i++) {
        settle(findings, claims, &claims->primary[i]);
        doubt(findings, unaudited, &claims->primary[i]);
    }
    for (size_t i = 0; status == 0 && i < claims->secondary_n; i++) {
        settle(findings, claims, &claims->secondary[i]);
        doubt_alike(claims, &claims->secondary[i]);
    }
    room_done(&w);
    return status;
}

void claims_done(struct claims *claims)
{
    for (size_t i = 0; i < claims->primary_n; i++)
        free(claims->primary[i].differences);
    for (size_t i = 0; i < claims->secondary_n; i++)
        free(claims->secondary[i].differences);
    free(claims->primary);
    free(claims->secondary);
    *claims = (struct claims){ 0 };
}

bool claim_is_made(const struct statement *claim)
{
    return claim->verdict != VERDICT_UNDETERMINED && claim->verdict != VERDICT_INVALID;
}

bool claim_relative(const struct statement *c, double *ret)
{
    bool known = c->n > 0 && isfinite(c->base_mean) && c->base_mean != 0;
    if (known)
        *ret = c->mean / fabs(c->base_mean);
    return known;
}

const char *claims_status(const struct claims *claims)
{
    if (claims->open)
        return "open";
    if (claims->primary_n == 0)
        return "none";
    for (size_t i = 1; i < claims->primary_n; i++)
        if (claims->primary[i].verdict != claims->primary[0].verdict)
            return "mixed";
    return verdict_names[claims->primary[0].verdict];
}
