/* Claims out of outcomes: pairs, their two sides when some were cancelled, the verdict. */
#include "server/verdict/claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_names[] = { "better",       "worse",   "equivalent",
                                      "undetermined", "invalid", NULL };

/* Two outcomes of a seed, set against each other. */
struct pair {
    enum outcome_kind kind;
    double difference; /* ± infinite when one side diverged; 0 when both did */
    double base;
    bool diverged, base_diverged;
    unsigned disturbed;
};

static struct pair pair_of(const struct study *study, const struct slot *slot,
                           const struct slot *base, size_t seed)
{
    const size_t n = study->seeds_n, at = (size_t)(slot - study->slots);
    struct outcome none = { OUTCOME_NONE, 0, NAN }, a = study->outcomes[at * n + seed];
    struct outcome b =
        base != NULL ? study->outcomes[(size_t)(base - study->slots) * n + seed] : none;
    /* the later kind decides, but what was cancelled counts even where its partner was lost */
    struct pair pair = { .kind = a.kind > b.kind ? a.kind : b.kind,
                         .difference = NAN,
                         .base = b.value,
                         .disturbed = a.disturbed | b.disturbed };
    if (pair.kind != OUTCOME_MEASURED)
        return pair;
    const double worst = study->compare.maximise ? -INFINITY : INFINITY;
    pair.diverged = !isfinite(a.value);
    pair.base_diverged = !isfinite(b.value);
    if (pair.diverged && pair.base_diverged)
        pair.difference = 0;
    else
        pair.difference = pair.diverged ? worst : pair.base_diverged ? -worst : a.value - b.value;
    return pair;
}

/* A seed's mean over the grid: another point's pair joins. */
static void pair_join(struct pair *all, const struct pair *more)
{
    all->kind = more->kind > all->kind ? more->kind : all->kind;
    all->diverged |= more->diverged;
    all->base_diverged |= more->base_diverged;
    all->disturbed |= more->disturbed;
    all->difference += more->difference;
    all->base += more->base;
}

static void primary_pairs(const struct study *study, const char *arm, struct pair *pairs)
{
    size_t points = 0;
    for (size_t s = 0; s < study->slots_n; s++) {
        const struct slot *slot = &study->slots[s];
        if (strcmp(slot->arm, arm) != 0)
            continue;
        const struct slot *base = study_baseline(study, slot);
        for (size_t j = 0; j < study->seeds_n; j++) {
            struct pair pair = pair_of(study, slot, base, j);
            if (points == 0)
                pairs[j] = pair;
            else
                pair_join(&pairs[j], &pair);
        }
        points++;
    }
    for (size_t j = 0; j < study->seeds_n; j++) {
        struct pair *pair = &pairs[j];
        pair->difference = isnan(pair->difference) ? 0 : pair->difference / (double)points;
        pair->base /= (double)points;
    }
}

static void count_pairs(const struct study *study, struct statement *c, const struct pair *pairs)
{
    struct sample finite = { 0 }, base = { 0 };
    double sum = 0;
    for (size_t j = 0; j < study->seeds_n; j++) {
        const struct pair *pair = &pairs[j];
        c->planned += pair->kind != OUTCOME_NONE;
        c->lost += pair->kind == OUTCOME_LOST;
        c->cancelled += pair->kind == OUTCOME_CANCELLED;
        c->open += pair->kind == OUTCOME_OPEN;
        if (pair->kind != OUTCOME_MEASURED)
            continue;
        c->n++;
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
    c->sd = sample_sd(&finite);
    c->needed = stats_needed_seeds(c->sd, study->compare.margin);
}

/* How a claim is tested: d[seeds], differences by seed, NaN where there is no pair. side: the sign
 * of the cancelled pairs. An infinite difference becomes one that dwarfs all others: tests by signs
 * and intervals by order are then what they tend to. Returns the size from which on a result stands
 * for an infinite one. */
static double vector_fill(const struct study *study, const struct pair *pairs, double side,
                          double *d)
{
    double greatest = study->compare.margin, sum = greatest;
    for (size_t j = 0; j < study->seeds_n; j++) {
        double size = fabs(pairs[j].difference);
        if (pairs[j].kind != OUTCOME_MEASURED || !isfinite(size))
            continue;
        greatest = fmax(greatest, size);
        sum += size;
    }
    double n = (double)study->seeds_n, dwarfing = 4096 * n * (sum > 0 ? sum : 1);
    for (size_t j = 0; j < study->seeds_n; j++) {
        double own = pairs[j].difference;
        d[j] = pairs[j].kind == OUTCOME_CANCELLED  ? side * greatest
               : pairs[j].kind != OUTCOME_MEASURED ? (double)NAN
               : isfinite(own)                     ? own
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

/* Fills p, the intervals and the verdict from both sides of the cancelled pairs; adjusted[2]: the p
 * that count, or NULL for the tests' own. */
static void judge(const struct study *study, struct statement *c, const struct stats_paired side[2],
                  const double *adjusted)
{
    enum stats_verdict said[2];
    c->p = fmax(side[0].p, side[1].p);
    c->p_adjusted = adjusted != NULL ? fmax(fmax(adjusted[0], adjusted[1]), c->p) : c->p;
    c->ci95 = (struct stats_interval){ side[0].ci95.low, side[1].ci95.high };
    c->ci90 = (struct stats_interval){ side[0].ci90.low, side[1].ci90.high };
    for (int i = 0; i < 2; i++) {
        struct stats_paired both = side[i];
        both.ci90 = c->ci90;
        said[i] =
            stats_judge(&both, c->p_adjusted, study->compare.margin, !study->compare.maximise);
    }
    c->verdict = said[0] == said[1] ? (enum verdict)said[0] : VERDICT_UNDETERMINED;
}

/* What all claims of a study are made with. */
struct work_room {
    const struct study *study;
    const struct findings *findings;
    struct pair *pairs;
    double *side[2], *room;      /* [seeds] vectors of the two sides of cancelled pairs; scratch */
    struct stats_flips flips[2]; /* of all seeds; of another number of pairs */
};

static int test_claim(struct work_room *w, struct statement *c, struct stats_paired side[2],
                      struct err *err)
{
    count_pairs(w->study, c, w->pairs);
    c->verdict = VERDICT_UNDETERMINED;
    c->tested = c->n >= STATS_CLAIM_N;
    if (!c->tested)
        return 0;
    struct stats_flips *flips = &w->flips[c->n + c->cancelled < w->study->seeds_n];
    double beyond = vector_fill(w->study, w->pairs, -1, w->side[0]);
    int status = test_vector(w->study, flips, w->side[0], beyond, w->room, &side[0], err);
    side[1] = side[0];
    vector_fill(w->study, w->pairs, 1, w->side[1]);
    if (status == 0 && c->cancelled > 0)
        status = test_vector(w->study, flips, w->side[1], beyond, w->room, &side[1], err);
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
    if (c->against != NULL)
        c->verdict = VERDICT_INVALID;
}

static int make_primary(struct work_room *w, struct claims *claims, struct err *err)
{
    const struct study *study = w->study;
    json_t *seen = json_object();
    int status = 0;
    for (size_t s = 0; status == 0 && s < study->slots_n; s++) {
        const char *arm = study->slots[s].arm;
        if (study_is_baseline(study, arm) || json_object_get(seen, arm) != NULL)
            continue;
        json_object_set_new(seen, arm, json_true());
        struct statement *c = &claims->primary[claims->primary_n++];
        struct stats_paired side[2];
        *c = (struct statement){ .arm = arm };
        primary_pairs(study, arm, w->pairs);
        status = test_claim(w, c, side, err);
        if (status == 0 && c->tested)
            judge(study, c, side, NULL);
        settle(w->findings, claims, c);
    }
    json_decref(seen);
    return status;
}

/* The family of secondary claims that can be tested, as rows for the adjusted test. */
struct family {
    struct statement **members;
    struct stats_paired (*sides)[2];
    double *rows[2], *p[2]; /* of the two sides of cancelled pairs */
    size_t n;
    bool cancelled;
};

static bool family_init(struct family *f, const struct study *study)
{
    size_t room = study->slots_n + 1, cells = room * (study->seeds_n + 1);
    *f = (struct family){ .members = calloc(room, sizeof *f->members),
                          .sides = calloc(room, sizeof *f->sides) };
    bool ok = f->members != NULL && f->sides != NULL;
    for (int i = 0; i < 2; i++) {
        f->rows[i] = calloc(cells, sizeof *f->rows[i]);
        f->p[i] = calloc(room, sizeof *f->p[i]);
        ok &= f->rows[i] != NULL && f->p[i] != NULL;
    }
    return ok;
}

static void family_done(struct family *f)
{
    free(f->members);
    free(f->sides);
    for (int i = 0; i < 2; i++) {
        free(f->rows[i]);
        free(f->p[i]);
    }
}

static int family_judge(struct family *f, struct work_room *w, struct err *err)
{
    const struct study *study = w->study;
    int status = stats_adjusted(&w->flips[0], f->rows[0], f->n, study->seeds_n, f->p[0], err);
    if (status == 0 && f->cancelled)
        status = stats_adjusted(&w->flips[0], f->rows[1], f->n, study->seeds_n, f->p[1], err);
    for (size_t i = 0; status == 0 && i < f->n; i++) {
        double p[2] = { f->p[0][i], f->cancelled ? f->p[1][i] : 0 };
        judge(study, f->members[i], (const struct stats_paired *)f->sides[i], p);
    }
    return status;
}

static int make_secondary(struct work_room *w, struct claims *claims, struct err *err)
{
    const struct study *study = w->study;
    struct family f;
    int status = family_init(&f, study) ? 0 : err_no_memory(err, "claims");
    for (size_t s = 0; status == 0 && s < study->slots_n; s++) {
        const struct slot *slot = &study->slots[s], *base = study_baseline(study, slot);
        if (study_is_baseline(study, slot->arm))
            continue;
        struct statement *c = &claims->secondary[claims->secondary_n++];
        *c = (struct statement){ .arm = slot->arm, .slot = slot, .base = base };
        for (size_t j = 0; j < study->seeds_n; j++)
            w->pairs[j] = pair_of(study, slot, base, j);
        status = test_claim(w, c, f.sides[f.n], err);
        if (status != 0 || !c->tested)
            continue;
        for (int i = 0; i < 2; i++)
            memcpy(f.rows[i] + f.n * study->seeds_n, w->side[i],
                   study->seeds_n * sizeof *w->side[i]);
        f.cancelled |= c->cancelled > 0;
        f.members[f.n++] = c;
    }
    if (status == 0)
        status = family_judge(&f, w, err);
    for (size_t i = 0; i < claims->secondary_n; i++)
        settle(w->findings, claims, &claims->secondary[i]);
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
    int status = room ? make_primary(&w, claims, err) : err_no_memory(err, "the claims");
    if (room && status == 0)
        status = make_secondary(&w, claims, err);
    room_done(&w);
    return status;
}

void claims_done(struct claims *claims)
{
    free(claims->primary);
    free(claims->secondary);
    *claims = (struct claims){ 0 };
}
