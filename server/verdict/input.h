/* input: what the verdict on an experiment is computed from: rows of the store, borrowed. */
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

#endif
