/* The walk over runs, series and points, of which a page is a piece: it can stop at any point of
 * any series, and goes on from there in another transaction. */
#include "server/export/export.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/names.h"
#include "common/spec/metrics.h"
#include "server/export/export_priv.h"
#include "server/export/format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs without points make no text, and each costs a look. */
enum { STEPS_A_PAGE = 2000, FULL = 1 };

static const struct export_format *const formats[] = { &export_curves_csv, &export_curves_jsonl,
                                                       &export_tensorboard, &export_runs_csv,
                                                       &export_runs_jsonl };
enum { FORMATS = sizeof formats / sizeof *formats };

int export_format_find(const char *what, const char *format, const struct export_format **ret,
                       struct err *err)
{
    what = what != NULL ? what : "curves";
    format = format != NULL ? format : "csv";
    bool known = false;
    for (size_t i = 0; i < FORMATS; i++) {
        known |= strcmp(formats[i]->what, what) == 0;
        if (strcmp(formats[i]->what, what) == 0 && strcmp(formats[i]->name, format) == 0) {
            *ret = formats[i];
            return 0;
        }
    }
    if (!known)
        return err_set(err, ERR_BAD_PARAMETER, "what must be curves or runs, not %.*s",
                       (int)jsonx_prefix(what, 40), what);
    return err_set(err, ERR_BAD_PARAMETER,
                   "format must be csv, jsonl, or, of curves, tensorboard, not %.*s",
                   (int)jsonx_prefix(format, 40), format);
}

bool export_has_points(const struct export_format *format)
{
    return format->points;
}

const char *export_type(const struct export *e)
{
    return e->request->format->type;
}

void export_file(const struct export *e, char ret[EXPORT_FILE_BYTES])
{
    char folder[EXPORT_FILE_BYTES - 20];
    names_for_file(e->row.name, e->row.id, folder, sizeof folder);
    snprintf(ret, EXPORT_FILE_BYTES, "%s%s", folder, e->request->format->ending);
}

const struct export_series *export_series(const struct export *e)
{
    return &e->plan.series[e->series_i];
}

const char *export_name(const struct export *e)
{
    return e->plan.names[export_series(e)->name].text;
}

const char *export_word(double value)
{
    return isfinite(value) ? "" : isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/* beginning */

static bool wanted(const struct export_request *request, const char *name)
{
    for (size_t i = 0; i < request->names_n; i++)
        if (strcmp(request->names[i], name) == 0)
            return true;
    return request->names_n == 0;
}

static void choose_series(struct export *e)
{
    struct export_plan *plan = &e->plan;
    size_t n = 0;
    for (size_t i = 0; i < plan->series_n; i++)
        if (wanted(e->request, plan->names[plan->series[i].name].text))
            plan->series[n++] = plan->series[i];
    plan->series_n = n;
}

/* A metric that nobody has measured yet is none that is misspelt. */
static int check_names(const struct export *e, struct err *err)
{
    const struct export_request *request = e->request;
    for (size_t i = 0; i < request->names_n; i++) {
        bool known = metric_find(request->names[i]) != NULL;
        for (size_t n = 0; n < e->plan.names_n && !known; n++)
            known = strcmp(e->plan.names[n].text, request->names[i]) == 0;
        if (!known)
            return err_set(err, ERR_BAD_PARAMETER, "there is no metric \"%.*s\"",
                           (int)jsonx_prefix(request->names[i], 64), request->names[i]);
    }
    return 0;
}

static int check_arm(const struct export *e, const json_t *spec, struct err *err)
{
    const char *arm = e->request->arm;
    if (arm == NULL || json_object_get(json_object_get(spec, "arms"), arm) != NULL)
        return 0;
    return err_set(err, ERR_BAD_PARAMETER, "experiment %lld has no arm \"%.*s\"",
                   (long long)e->request->experiment, (int)jsonx_prefix(arm, 64), arm);
}

static int prepare(struct export *e, struct store *store, struct err *err)
{
    const struct export_request *request = e->request;
    json_t *spec = NULL;
    int status = store_experiment_get(store, request->experiment, &e->row, err);
    if (status == 0)
        status = jsonx_load(e->row.spec, strlen(e->row.spec), &spec, err);
    if (status == 0)
        status = check_arm(e, spec, err);
    if (status == 0)
        status = store_export_plan(store, request->experiment, request->arm, &e->plan, err);
    if (status == 0)
        status = check_names(e, err);
    if (status == 0)
        choose_series(e);
    e->grid = json_incref(json_object_get(spec, "grid"));
    json_decref(spec);
    return status;
}

int export_new(struct store *store, const struct export_request *request, struct export **ret,
               struct err *err)
{
    struct export *e = calloc(1, sizeof *e);
    if (e == NULL)
        return err_no_memory(err, "the export");
    e->request = request;
    buf_init(&e->before, 0);
    buf_init(&e->between, 0);
    int status = prepare(e, store, err);
    if (status == 0)
        *ret = e;
    else
        export_free(e);
    return status;
}

void export_free(struct export *e)
{
    if (e == NULL)
        return;
    if (e->request->format->done != NULL)
        e->request->format->done(e);
    export_run_done(&e->run);
    export_plan_done(&e->plan);
    experiment_row_done(&e->row);
    json_decref(e->grid);
    buf_done(&e->before);
    buf_done(&e->between);
    free(e);
}

/* the walk */

static int begin_run(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    const struct export_format *format = e->request->format;
    if (e->run_i == e->plan.runs_n) {
        e->at = AT_OVER;
        return format->end != NULL ? format->end(e, to, err) : 0;
    }
    export_run_done(&e->run);
    int status = store_export_run(store, e->plan.runs[e->run_i], &e->run, err);
    if (status == 0)
        status = format->run(e, store, to, err);
    e->at = format->points ? AT_SERIES : AT_RUN_END;
    return status;
}

static int begin_series(struct export *e, struct buf *to, struct err *err)
{
    const struct export_format *format = e->request->format;
    if (e->series_i == e->plan.series_n || export_series(e)->run != e->run.id) {
        e->at = AT_RUN_END;
        return 0;
    }
    e->next_step = INT64_MIN;
    e->written = 0;
    e->at = AT_POINTS;
    return format->series != NULL ? format->series(e, to, err) : 0;
}

struct page {
    struct export *export;
    struct buf *to;
};

static int add_point(void *arg, const struct metric_point *point, struct err *err)
{
    (void)err;
    const struct page *page = arg;
    struct export *e = page->export;
    e->request->format->point(e, point, page->to);
    e->written++;
    e->next_step = point->step + 1;
    return page->to->len >= EXPORT_PAGE_BYTES || page->to->failed ? FULL : 0;
}

/* A point less than there were: its run is being purged. */
static int add_points(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    const struct export_series *series = export_series(e);
    struct page page = { e, to };
    int status = store_export_points(store, series->run, e->plan.names[series->name].id,
                                     e->next_step, series->last_step, add_point, &page, err);
    if (status != 0)
        return status;
    if (e->written != series->rows)
        return err_set(err, ERR_CONFLICT, "run %lld has lost rows of %s meanwhile",
                       (long long)series->run, export_name(e));
    e->series_i++;
    e->at = AT_SERIES;
    return 0;
}

static int end_run(struct export *e, struct buf *to, struct err *err)
{
    const struct export_format *format = e->request->format;
    e->run_i++;
    e->at = AT_RUN;
    return format->run_end != NULL ? format->run_end(e, to, err) : 0;
}

static int step(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    switch (e->at) {
    case AT_BEGIN:
        e->at = AT_RUN;
        return e->request->format->begin != NULL ? e->request->format->begin(e, store, to, err) : 0;
    case AT_RUN:
        return begin_run(e, store, to, err);
    case AT_SERIES:
        return begin_series(e, to, err);
    case AT_POINTS:
        return add_points(e, store, to, err);
    case AT_RUN_END:
        return end_run(e, to, err);
    default:
        return 0;
    }
}

int export_page(struct export *e, struct store *store, struct buf *to, bool *ret_end,
                struct err *err)
{
    int status = store_export_there(store, e->request->experiment, err);
    for (int i = 0; i < STEPS_A_PAGE && status == 0 && e->at != AT_OVER; i++) {
        status = step(e, store, to, err);
        if (to->len >= EXPORT_PAGE_BYTES || to->failed)
            break;
    }
    if (to->failed)
        return err_no_memory(err, "a page of the export");
    if (status < 0)
        return status;
    *ret_end = e->at == AT_OVER;
    return 0;
}
