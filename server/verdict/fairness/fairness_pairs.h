/* Inside fairness*.c only: which pairs of arms differ in something that arms should share.
 *
 * What a run has of a thing is a digest; runs that should have the same one form a group, named by
 * a key. Each pair of arms with runs in one group is compared, and remembered by the place (a grid
 * point without its tuned factors) in which it differs: a comparison of two arms is spoiled by what
 * those two don't share, and by nothing else.
 */
#ifndef ABLATE_SERVER_FAIRNESS_PAIRS_H
#define ABLATE_SERVER_FAIRNESS_PAIRS_H

#include "server/verdict/fairness/fairness_plan.h"

/* Two arms that differ; the first time that they did. */
struct pair {
    size_t n;                              /* differences */
    const struct digests_row *one, *other; /* other came first */
    char what[96];                         /* that differed */
};

struct pairs {
    const struct plan *plan;
    /* Whether two runs differ in `what` on purpose; NULL = never. */
    bool (*meant)(const struct plan *plan, size_t one, size_t other, const char *what);
    size_t told, silent; /* runs; the caller counts them */
    /* Each run against the first of its group: of other arms; not the same; not, on purpose. */
    size_t compared, different, deliberate;
    struct pair first;   /* that differed; n = 0: none */
    struct pair *table;  /* [arms × arms], a pair at [lower][higher] */
    uint8_t *seen;       /* [arms × arms] likewise: they were compared */
    uint8_t *differ;     /* [places × arms × arms] likewise */
    struct pair purpose; /* the first that differed on purpose */
    json_t *groups;      /* {key: [[digest, run, …]]} */
};

int pairs_init(struct pairs *pairs, const struct plan *plan, struct err *err);
void pairs_done(struct pairs *pairs);
/* Holds a run's digest against those that its group has. A run is its index in plan.runs; those of
 * a group stand in one place. */
void pairs_add(struct pairs *pairs, const char *key, const char *digest, size_t run,
               const char *what);
/* No more runs come to the groups that there are. */
void pairs_close(struct pairs *pairs);

/* How many pairs of arms were compared, and how many of them differ. */
size_t pairs_compared(const struct pairs *pairs, size_t *ret_different);
/* "b and a, c and a": the pairs that differ, some of them named. */
void pairs_say(const struct pairs *pairs, struct buf *to);
/* The evidence: counts, the first difference, and `pairs`: each pair of arms that differs, with the
 * first difference, what is called `kind`, and `places`, when it isn't at every place that it
 * differs. All of the baseline's pairs are there, others as far as there is room. */
json_t *pairs_json(const struct pairs *pairs, const char *kind);

#endif
