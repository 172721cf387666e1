/* Inside fairness*.c only: an experiment as arms × grid points × seeds, and the list of findings.
 */
#ifndef ABLATE_SERVER_FAIRNESS_PLAN_H
#define ABLATE_SERVER_FAIRNESS_PLAN_H

#include "common/base/buf.h"
#include "common/spec/spec.h"
#include "server/objects/objects.h"
#include "server/verdict/fairness/fairness.h"
#include "server/verdict/layout.h"

enum { FAIRNESS_ROWS = 100 }; /* of an evidence, at most; the rest is counted */
/* With more cells than these, what is found at each of them is told by arm: nobody reads them one
 * by one, and the commit that ends an experiment shouldn't keep others waiting. */
enum { FAIRNESS_CELLS = 1000 };

struct planned_cell {
    struct run_spec spec; /* of its first seed */
    bool known;           /* spec could be read */
};

struct plan {
    const struct fairness_input *in;
    struct layout layout;
    struct planned_cell *cells; /* [points_n × arms_n] */
    size_t baseline;            /* an arm */
    size_t *chosen; /* [places_n × arms_n] the arm's best configuration there, a point; or … */
    struct tuning_sum *sums; /* … SIZE_MAX when none was measured. [points_n × arms_n] what came of
                                a configuration */
    size_t *tried;           /* [places_n × arms_n] configurations that were measured */
    struct audit_row *findings;
    size_t findings_n;
    bool failed; /* memory ran out */
};

/* The i-th of the layout's runs; NULL when there is none. */
static inline const struct digests_row *plan_row(const struct plan *p, size_t i)
{
    return p->layout.runs[i] != SIZE_MAX ? &p->in->runs[p->layout.runs[i]] : NULL;
}

static inline const struct digests_row *plan_run(const struct plan *p, size_t seed, size_t point,
                                                 size_t arm)
{
    size_t run = layout_run(&p->layout, seed, point, arm);
    return run != SIZE_MAX ? &p->in->runs[run] : NULL;
}

static inline const struct planned_cell *plan_cell(const struct plan *p, size_t point, size_t arm)
{
    return &p->cells[point * p->layout.arms_n + arm];
}

/* Whether a run's value counts: it succeeded and was measured. */
static inline bool plan_counts(const struct digests_row *run)
{
    return run != NULL && run->state == RUN_SUCCEEDED && run->measured;
}

/* A run by the metric that decides. */
static inline const struct digests_row *plan_judged(const struct plan *p, size_t seed, size_t point,
                                                    size_t arm)
{
    size_t run = layout_run(&p->layout, seed, point, arm);
    const struct digests_row *rows = p->in->judged != NULL ? p->in->judged : p->in->runs;
    return run != SIZE_MAX ? &rows[run] : NULL;
}

/* Adds a finding about an arm and a grid point (NULL = all). Takes detail's bytes and evidence. */
void plan_add(struct plan *p, enum audit audit, enum audit_status status, const char *arm,
              const char *grid, struct buf *detail, json_t *evidence);
/* The same about the experiment, with a constant text and no evidence. */
void plan_skip(struct plan *p, enum audit audit, const char *why);
/* Whether `path` is one of compare.tune. */
bool plan_tunes(const struct plan *p, const char *path);
/* What a test is held against: 5 %, of several looks the share of each. */
double plan_level(const struct plan *p);

/* A place's grid point, without the tuned factors. New reference, not to be changed. */
static inline json_t *plan_place(const struct plan *p, size_t place)
{
    return json_incref(p->layout.places[place].grid);
}

/* Lays out the runs of p->in; all else is zero. plan_done follows, after an error, too, and leaves the
 * findings. Errors: NO_MEMORY, in->spec_of's. */
int plan_init(struct plan *p, struct err *err);
void plan_done(struct plan *p);

/* The checks, fairness_NAME, of runs and of what is planned, in the order in which a report tells
 * them. */
#define FAIRNESS_CHECKS(CHECK)                                                                     \
    CHECK(shared_init)                                                                             \
    CHECK(same_batches)                                                                            \
    CHECK(distinct_seeds)                                                                          \
    CHECK(learned)                                                                                 \
    CHECK(budget)                                                                                  \
    CHECK(tuning)                                                                                  \
    CHECK(selection)                                                                               \
    CHECK(one_change)                                                                              \
    CHECK(same_environment)                                                                        \
    CHECK(power)                                                                                   \
    CHECK(gaps) /* structural audits that nobody reported */
#define FAIRNESS_PLANNED(CHECK)                                                                    \
    CHECK(planned_overlap)                                                                         \
    CHECK(planned_seeds)                                                                           \
    CHECK(budget)                                                                                  \
    CHECK(planned_tuning)                                                                          \
    CHECK(selection)                                                                               \
    CHECK(one_change)                                                                              \
    CHECK(planned_power)
#define DECLARE(name) int fairness_##name(struct plan *p, struct err *err);
FAIRNESS_CHECKS(DECLARE)
FAIRNESS_PLANNED(DECLARE)
#undef DECLARE

#endif
