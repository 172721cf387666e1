/* report: an experiment's verdict, table, differences, dynamics and audits, computed from what the
 * store holds.
 *
 * Pure: the same input gives the same bytes. The JSON is made first; everything else is made from
 * it, so that no two of them can say different things.
 *
 *   study.h   runs arranged by arm, grid point and seed; tuning      rows.c  what was measured
 *   claims.h  what differences say (stats.h has the mathematics)     checks.h  what audits say
 *   findings.c  which audits have spoken of what                     timing.h  whether times may be
 * compared words.h   every sentence                                         report.c  the JSON
 *   text.h    Markdown and CSV
 */
#ifndef ABLATE_SERVER_REPORT_H
#define ABLATE_SERVER_REPORT_H

#include "common/base/buf.h"
#include "server/store/curves/store_metrics.h"
#include "server/store/curves/store_timings.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_runs.h"

#include <jansson.h>

struct report_input {
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

/* New reference; NULL when memory runs out. */
json_t *report_json(const struct report_input *in);
void report_markdown(const json_t *report, struct buf *to);
/* The table; the claims, primary ones first. */
void report_csv(const json_t *report, struct buf *to);
void report_csv_claims(const json_t *report, struct buf *to);

#endif
