/* fairness: the audits that only the daemon can make, since they compare runs
 * (schema/numerics.md §7):
 * shared_init, same_batches, distinct_seeds, learned, budget, tuning, selection, one_change,
 * same_environment, power; and what is said of an audit that a run was to
 * make but didn't.
 *
 * Pure: no store, no clock; specs and initial weights, which may be large, are asked for one at a
 * time. conclude.h evaluates them when an experiment has ended.
 */
#ifndef ABLATE_SERVER_FAIRNESS_H
#define ABLATE_SERVER_FAIRNESS_H

#include "common/corpus/overlap.h"
#include "server/store/curves/store_digests.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_cells.h"

#include <jansson.h>

enum { FAIRNESS_OTHERS = 1000 }; /* experiments with a cell that are looked at, at most */

struct fairness_input {
    const json_t *spec;             /* the experiment's */
    const struct digests_row *runs; /* all of its runs, by id; value: tuning_metrics.chosen_by */
    size_t runs_n;
    const struct digests_row
        *judged;            /* the same by tuning_metrics.compared; NULL: the same metric */
    const json_t *reported; /* an object with a member audit_key() for each finding of a run */
    /* A run's frozen spec, and its initial weights as it told them; new references, NULL when
     * there are none. */
    int (*spec_of)(void *arg, int64_t run, json_t **ret, struct err *err);
    int (*init_of)(void *arg, int64_t run, json_t **ret, struct err *err);
    /* In which other experiments a cell ran (store_cells.h; *ret is freed), and what came of it
     * there, by the metric that is compared. NULL: nothing is known. */
    int (*elsewhere_of)(void *arg, const char *cell, struct cell_row **ret, size_t *ret_n,
                        struct err *err);
    int (*mean_of)(void *arg, const char *cell, struct cell_row *row, struct err *err);
    /* What a split's rule gives on the stored corpus; *ret_why: why it isn't known, or NULL. Asked for
     * by fairness_planned alone. */
    int (*overlap_of)(void *arg, const struct run_spec *spec, struct overlap *ret,
                      const char **ret_why, struct err *err);
    void *arg;
    const struct run_environment *environments; /* of all runs */
    size_t environments_n;
};

/* The findings, each with name, status, detail, evidence, and arm and grid as far as it reaches;
 * the caller's (audit_row_done, free). Errors: NO_MEMORY, those of the two functions. */
int fairness_find(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                  struct err *err);

/* Before a step is trained: what these audits and split_overlap can say of the runs that are planned,
 * by their specifications: split_overlap, distinct_seeds, budget, tuning, selection, one_change,
 * power. Of a run its number, arm, grid, seed and cell are looked at. */
int fairness_planned(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                     struct err *err);

#endif
