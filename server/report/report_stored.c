/* What the report is computed from, read: the experiment, all its runs, audits, curves, timings. */
#include "server/report/report_stored.h"

#include "common/json/jsonx.h"
#include "common/sweep/tuning.h"
#include "server/report/report.h"

#include <stdlib.h>
#include <string.h>

/* Rows of the dynamics that a person still reads. */
enum { STEPS = 100 };

/* Every run of the experiment, page by page. */
static int all_runs(struct store *store, int64_t experiment, struct run_list *ret, struct err *err)
{
    struct run_list all = { 0 }, page = { 0 };
    struct run_query query = {
        .experiment = experiment, .filter = "", .order_by = "", .page_token = "", .page_size = 1000
    };
    char token[sizeof page.next_page_token] = "";
    int status;
    do {
        query.page_token = token;
        status = store_run_list(store, &query, &page, err);
        struct run_row *more =
            status == 0 ? realloc(all.items, (all.n + page.n + 1) * sizeof *more) : NULL;
        if (more == NULL) {
            if (status == 0) {
                run_list_done(&page);
                status = err_no_memory(err, "the report");
            }
            run_list_done(&all);
            return status;
        }
        all.items = more;
        if (page.n > 0)
            memcpy(all.items + all.n, page.items, page.n * sizeof *page.items);
        all.n += page.n;
        memcpy(token, page.next_page_token, sizeof token);
        free(page.items); /* the rows live on in `all` */
    } while (token[0] != '\0');
    *ret = all;
    return 0;
}

int report_make(struct store *store, int64_t id, json_t **ret, struct err *err)
{
    struct experiment_row experiment = { 0 };
    struct run_list runs = { 0 };
    struct audit_row *audits = NULL;
    struct curve_point *curves = NULL;
    struct timing_row *timings = NULL;
    struct study_input in = { .experiment = &experiment };
    int status = store_experiment_get(store, id, &experiment, err);
    if (status != 0)
        return status;
    json_t *spec = NULL, *report = NULL;
    struct tuning_metrics metrics;
    status = jsonx_load(experiment.spec, strlen(experiment.spec), &spec, err);
    tuning_metrics(spec, &metrics);
    if (status == 0)
        status = all_runs(store, id, &runs, err);
    if (status == 0)
        status = store_audit_list(store, id, &audits, &in.audits_n, err);
    if (status == 0)
        status = store_curves(store, id, metrics.chosen_by, STEPS, &curves, &in.curves_n, err);
    if (status == 0)
        status = store_timings(store, id, &timings, &in.timings_n, err);
    if (status == 0) {
        in.timings = timings;
        in.runs = runs.items;
        in.runs_n = runs.n;
        in.audits = audits;
        in.curves = curves;
        report = report_json(&in);
        if (report != NULL)
            *ret = report;
        else
            status = err_no_memory(err, "the report");
    }
    json_decref(spec);
    run_list_done(&runs);
    for (size_t i = 0; i < in.audits_n && audits != NULL; i++)
        audit_row_done(&audits[i]);
    free(audits);
    free(curves);
    free(timings);
    experiment_row_done(&experiment);
    return status;
}
