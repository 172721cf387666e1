/* A diverged run is infinitely worse than one that isn't; over the grid the worst kind of pair
 * decides. */
#include "server/verdict/pairs.h"

#include <math.h>
#include <string.h>

static enum pair_kind kind_of(enum outcome_kind a, enum outcome_kind b)
{
    static const enum pair_kind kinds[] = {
        [OUTCOME_MEASURED] = PAIR_MEASURED,   [OUTCOME_LOST] = PAIR_ONE_SIDED,
        [OUTCOME_CANCELLED] = PAIR_CANCELLED, [OUTCOME_OPEN] = PAIR_OPEN,
        [OUTCOME_NONE] = PAIR_NONE,
    };
    if (a == OUTCOME_LOST && b == OUTCOME_LOST)
        return PAIR_LOST;
    return kinds[a] > kinds[b] ? kinds[a] : kinds[b];
}

struct pair pairs_of(const struct study *study, const struct slot *slot, const struct slot *base,
                     size_t seed)
{
    const size_t n = study->seeds_n, at = (size_t)(slot - study->slots);
    struct outcome none = { OUTCOME_NONE, 0, NAN }, a = study->outcomes[at * n + seed];
    struct outcome b =
        base != NULL ? study->outcomes[(size_t)(base - study->slots) * n + seed] : none;
    struct pair pair = { .kind = kind_of(a.kind, b.kind),
                         .difference = NAN,
                         .base = b.value,
                         .disturbed = a.disturbed | b.disturbed };
    if (pair.kind != PAIR_MEASURED)
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

void pairs_over_grid(const struct study *study, const char *arm, struct pair *pairs)
{
    size_t points = 0;
    for (size_t s = 0; s < study->slots_n; s++) {
        const struct slot *slot = &study->slots[s];
        if (strcmp(slot->arm, arm) != 0)
            continue;
        const struct slot *base = study_baseline(study, slot);
        for (size_t j = 0; j < study->seeds_n; j++) {
            struct pair pair = pairs_of(study, slot, base, j);
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
