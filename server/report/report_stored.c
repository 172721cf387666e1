/* What the verdict is computed from, and the curves. */
#include "server/report/report_stored.h"

#include "common/json/jsonx.h"
#include "common/sweep/tuning.h"
#include "server/report/report.h"

#include <stdlib.h>
#include <string.h>

/* Rows of the dynamics that a person still reads. */
enum { STEPS = 100 };

int report_make(struct store *store, int64_t id, json_t **ret, struct err *err)
{
    struct input_rows rows;
    struct curve_point *curves = NULL;
    struct tuning_metrics metrics;
    json_t *spec = NULL, *report = NULL;
    int status = input_read(store, id, &rows, err);
    if (status == 0)
        status = jsonx_load(rows.experiment.spec, strlen(rows.experiment.spec), &spec, err);
    tuning_metrics(spec, &metrics);
    if (status == 0)
        status = store_curves(store, id, metrics.chosen_by, STEPS, &curves, &rows.in.curves_n, err);
    if (status == 0) {
        rows.in.curves = curves;
        report = report_json(&rows.in);
        if (report != NULL)
            *ret = report;
        else
            status = err_no_memory(err, "the report");
    }
    json_decref(spec);
    free(curves);
    input_done(&rows);
    return status;
}
