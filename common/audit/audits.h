/* audits: the table of checks of validity (schema/numerics.md §7): what each is about, how far it
 * reaches, and whether its failure makes a comparison worthless.
 *
 * Workers and the daemon both make audits; this table is the one place that names them, and says of
 * which runs they can find out anything. A worker's audit event carries name, status, detail and
 * evidence only: which arm and grid point it speaks of follows from its run and the scope here.
 */
#ifndef ABLATE_COMMON_AUDITS_H
#define ABLATE_COMMON_AUDITS_H

#include "common/spec/spec.h"

#include <stdbool.h>
#include <stddef.h>

/* Every audit once, in the order in which a report tells them: its place in enum audit and its
 * name. Trainer and daemon name one by its place, so that an audit without a row doesn't build. */
#define AUDIT_LIST(X)                                                                              \
    X(CAUSALITY, causality)                                                                        \
    X(ENTROPY_FLOOR, entropy_floor)                                                                \
    X(SPLIT_OVERLAP, split_overlap)                                                                \
    X(SHARED_INIT, shared_init)                                                                    \
    X(SAME_BATCHES, same_batches)                                                                  \
    X(DISTINCT_SEEDS, distinct_seeds)                                                              \
    X(DENSE_EQUIVALENCE, dense_equivalence)                                                        \
    X(GRADIENT, gradient)                                                                          \
    X(DETACHED, detached)                                                                          \
    X(REPLAY, replay)                                                                              \
    X(EVALUATION, evaluation)                                                                      \
    X(UPDATE, update)                                                                              \
    X(FINITE, finite)                                                                              \
    X(INDEXER_LEARNS, indexer_learns)                                                              \
    X(LEARNED, learned)                                                                            \
    X(BUDGET, budget)                                                                              \
    X(TUNING, tuning)                                                                              \
    X(SELECTION, selection)                                                                        \
    X(ONE_CHANGE, one_change)                                                                      \
    X(SAME_ENVIRONMENT, same_environment)                                                          \
    X(POWER, power)
#define AUDIT_ENUMERATOR(id, name) AUDIT_##id,
enum audit { AUDIT_LIST(AUDIT_ENUMERATOR) AUDITS };
#undef AUDIT_ENUMERATOR

enum audit_scope {
    AUDIT_OF_RUN,
    AUDIT_OF_ARM,
    AUDIT_OF_CELL,  /* an arm at a grid point */
    AUDIT_OF_POINT, /* a grid point, all arms */
    AUDIT_OF_EXPERIMENT
};

/* Whether a finding of this scope speaks of one arm, or of one grid point. */
bool audit_names_arm(enum audit_scope scope);
bool audit_names_point(enum audit_scope scope);

/* From best to worst: of several findings of one audit the worst counts. */
enum audit_status { AUDIT_PASS, AUDIT_SKIPPED, AUDIT_WARN, AUDIT_FAIL, AUDIT_STATUSES };
extern const char *const audit_status_names[]; /* NULL at the end */

struct audit_info {
    const char *name;
    enum audit_scope scope;
    bool invalidates; /* what fails it can't be compared */
    bool compares;    /* the daemon makes it, from several runs: no run owes it */
    /* Whether there is anything to find out about such a run, and why not where there isn't; NULL:
     * about every run. */
    bool (*concerns)(const struct run_spec *spec);
    const char *moot;
    const char *what;   /* one sentence for people who haven't met it: what passing it means */
    const char *remedy; /* one sentence: what to change when it doesn't pass */
};
extern const struct audit_info *const audit_table[AUDITS];

/* NULL when there is none of that name. */
const struct audit_info *audit_find(const char *name);
bool audit_concerns(const struct audit_info *info, const struct run_spec *spec);
/* Whether a run makes it, rather than the daemon, and once a cell, arm or grid point. */
bool audit_is_owed(const struct audit_info *info);
/* By name; AUDIT_STATUSES when there is none of that name. */
enum audit_status audit_status_of(const char *name);

#endif
