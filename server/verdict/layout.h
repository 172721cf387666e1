/* layout: an experiment's runs as arms × grid points × seeds, for whoever compares them: the audits
 * of fairness and the report start from the same one.
 *
 * Arms, points and seeds are numbered as runs come to have them; runs that come seed by seed, point
 * by point, arm by arm, as a sweep plans them, number them as the specification does. `compare.tune`
 * names grid paths whose value each arm chooses for itself: points that differ in those alone are
 * configurations of one place. Up to 10,000 runs: what stands here is found by number, never by
 * comparing each with each.
 */
#ifndef ABLATE_SERVER_LAYOUT_H
#define ABLATE_SERVER_LAYOUT_H

#include "common/base/err.h"
#include "common/sweep/tuning.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What is asked of a run. */
struct layout_run {
    const char *arm, *grid; /* grid: JSON text */
    int64_t seed;
};
/* Where it stands. */
struct layout_at {
    size_t arm, point, seed;
};
/* Grid points that differ in tuned paths alone. */
struct layout_place {
    json_t *grid; /* owned: such a point without the tuned paths */
    char *key;    /* owned: that as canonical text, the same for the same place */
    size_t point; /* the first of them */
};

struct layout {
    size_t runs_n, arms_n, points_n, seeds_n, places_n;
    const char **arms, **points; /* [arms_n], [points_n] borrowed from the runs; JSON text */
    int64_t *seeds;              /* [seeds_n] */
    struct layout_at *at;        /* [runs_n] */
    size_t *runs;     /* [seeds_n × points_n × arms_n] the run; SIZE_MAX: there is none */
    size_t *place_of; /* [points_n] */
    struct layout_place *places; /* [places_n] */
};

/* of: the i-th of n runs, whose strings outlive the layout. tune: an array of paths, or NULL. Errors:
 * NO_MEMORY. layout_done is due either way, and does nothing to what is zero. */
int layout_init(struct layout *layout, struct layout_run (*of)(const void *runs, size_t i),
                const void *runs, size_t n, const json_t *tune, struct err *err);
void layout_done(struct layout *layout);

/* The run; SIZE_MAX when there is none. */
static inline size_t layout_run(const struct layout *l, size_t seed, size_t point, size_t arm)
{
    return l->runs[(seed * l->points_n + point) * l->arms_n + arm];
}

/* The configuration that each arm chooses in each place: the first of those that none is preferred
 * to (common/sweep/tuning.h). sums [points × arms]; without runs there is no configuration.
 * ret [places × arms]: a point; SIZE_MAX where the arm has no run. */
void layout_choose(const struct layout *layout, const struct tuning_sum *sums, bool maximise,
                   size_t *ret);

/* A grid point without the tuned paths. New reference. */
json_t *layout_reduced(const json_t *tune, const char *grid);
/* Canonical text of a value. Owned (free); NULL when memory runs out. */
char *layout_key(const json_t *value);

#endif
