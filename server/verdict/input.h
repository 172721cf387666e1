/* input: what the verdict on an experiment is computed from: rows of the store. */
#ifndef ABLATE_SERVER_INPUT_H
#define ABLATE_SERVER_INPUT_H

#include "server/store/curves/store_curves.h"
#include "server/store/curves/store_timings.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/runs/store_runs.h"

struct study_input {
    const struct experiment_row *experiment;
    const struct run_row *runs;
    size_t runs_n;
    const struct audit_row *audits;
    size_t audits_n;
    const struct curve_point *curves; /* of the compared metric */
    size_t curves_n;
    const struct timing_row *timings; /* by run */
    size_t timings_n;
};

/* These rows, read and owned; of the curves, which no verdict needs, none. */
struct input_rows {
    struct study_input in; /* to compute from */
    struct experiment_row experiment;
    struct run_list runs;
    struct audit_row *audits;
    struct timing_row *timings;
};
/* On a reader's thread, or the writer's; input_done is due either way. Errors: NOT_FOUND, NO_MEMORY,
 * the store's. */
int input_read(struct store *store, int64_t experiment, struct input_rows *ret, struct err *err);
void input_done(struct input_rows *rows);

#endif
