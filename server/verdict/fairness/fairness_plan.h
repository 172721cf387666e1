/* Inside fairness*.c only: an experiment as arms × grid points × seeds, and the list of findings.
 */
#ifndef ABLATE_SERVER_FAIRNESS_PLAN_H
#define ABLATE_SERVER_FAIRNESS_PLAN_H

#include "common/base/buf.h"
#include "common/spec/spec.h"
#include "common/spec/tuning.h"
#include "server/verdict/fairness/fairness.h"

enum { FAIRNESS_ROWS = 100 }; /* of an evidence, at most; the rest is counted */

struct cell {
    struct run_spec spec; /* of its first seed */
    bool known;           /* spec could be read */
};

struct plan {
    const struct fairness_input *in;
    size_t arms_n, points_n, seeds_n;
    const char **arms, **points;     /* [arms_n], [points_n]; borrowed from the runs; JSON text */
    int64_t *seeds;                  /* [seeds_n] in the order planned */
    const struct digests_row **runs; /* [seeds_n × points_n × arms_n]; NULL = there is none */
    struct cell *cells;              /* [points_n × arms_n] */
    size_t baseline;                 /* an arm */
    /* Grid points that differ in tuned factors alone are configurations of one place. */
    size_t places_n;
    size_t *place_of;     /* [points_n] */
    size_t *place_points; /* [places_n] its first point */
    size_t *chosen; /* [places_n × arms_n] the arm's best configuration there, a point; or … */
    struct tuning_sum *best; /* … SIZE_MAX when none was measured; what came of it */
    size_t *tried;           /* [places_n × arms_n] configurations that were measured */
    struct audit_row *findings;
    size_t findings_n;
    bool failed; /* memory ran out */
};

static inline const struct digests_row *plan_run(const struct plan *p, size_t seed, size_t point,
                                                 size_t arm)
{
    return p->runs[(seed * p->points_n + point) * p->arms_n + arm];
}

static inline const struct cell *plan_cell(const struct plan *p, size_t point, size_t arm)
{
    return &p->cells[point * p->arms_n + arm];
}

/* Whether a run's value counts: it succeeded and was measured. */
static inline bool plan_counts(const struct digests_row *run)
{
    return run != NULL && run->state == RUN_SUCCEEDED && run->measured;
}

/* Adds a finding about an arm and a grid point (NULL = all). Takes detail's bytes and evidence. */
void plan_add(struct plan *p, const char *name, enum audit_status status, const char *arm,
              const char *grid, struct buf *detail, json_t *evidence);
/* The same about the experiment, with a constant text and no evidence. */
void plan_skip(struct plan *p, const char *name, const char *why);
/* Whether `path` is one of compare.tune. */
bool plan_tunes(const struct plan *p, const char *path);

/* The store's JSON text as a value; null when it is broken. New reference. */
json_t *plan_json(const char *text);
/* The grid point without the tuned factors. New reference. */
json_t *plan_place(const struct plan *p, size_t point);
/* A grid point as people write it, after `before`: "seq_len 64, lr 0.001"; nothing for {}. */
void plan_say_grid(const json_t *grid, const char *before, struct buf *to);

int fairness_shared_init(struct plan *p, struct err *err);
int fairness_same_batches(struct plan *p, struct err *err);
int fairness_budget(struct plan *p, struct err *err);
int fairness_tuning(struct plan *p, struct err *err);
int fairness_power(struct plan *p, struct err *err);
/* Structural audits that nobody reported. */
int fairness_gaps(struct plan *p, struct err *err);

#endif
