/* From the store to the audits of fairness and back: what they ask for, and the findings they give. */
#include "server/verdict/fairness/conclude.h"

#include "common/json/jsonx.h"
#include "common/sweep/tuning.h"
#include "server/store/runs/store_experiments.h"
#include "server/verdict/fairness/fairness.h"

#include <stdlib.h>
#include <string.h>

/* *text as JSON, NULL when it is none; frees it. */
static int parse(int status, char *text, json_t **ret)
{
    if (status == 0 && text[0] != '\0' && jsonx_load(text, strlen(text), ret, NULL) != 0)
        *ret = NULL;
    free(text);
    return status;
}

/* Whose audits are made. */
struct subject {
    struct store *store;
    int64_t experiment;
    struct tuning_metrics metrics;
};

static int read_spec(void *arg, int64_t run, json_t **ret, struct err *err)
{
    char *text = NULL;
    int status = store_digests_spec(((const struct subject *)arg)->store, run, &text, err);
    return parse(status, text, ret);
}

static int read_init(void *arg, int64_t run, json_t **ret, struct err *err)
{
    char *text = NULL;
    int status = store_digests_init(((const struct subject *)arg)->store, run, &text, err);
    return parse(status, text, ret);
}

static int read_elsewhere(void *arg, const char *cell, struct cell_row **ret, size_t *ret_n,
                          struct err *err)
{
    const struct subject *of = arg;
    return store_cells_elsewhere(of->store, cell, of->experiment, of->metrics.compared,
                                 FAIRNESS_OTHERS, ret, ret_n, err);
}

static int read_mean(void *arg, const char *cell, struct cell_row *row, struct err *err)
{
    const struct subject *of = arg;
    return store_cells_measure(of->store, cell, of->metrics.compared, row, err);
}

/* What runs have reported, as an object whose members' names are the keys. */
static int read_reported(struct store *store, int64_t experiment, json_t *to, struct err *err)
{
    struct audit_row *rows = NULL;
    size_t n = 0;
    int status = store_audit_list(store, experiment, &rows, &n, err);
    for (size_t i = 0; i < n; i++) {
        char *key = rows[i].run != 0 ? audit_key(rows[i].name, rows[i].arm, rows[i].grid) : NULL;
        if (key != NULL)
            json_object_set_new(to, key, json_true());
        free(key);
        audit_row_done(&rows[i]);
    }
    free(rows);
    return status;
}

static int conclude(struct store *store, int64_t id, struct err *err)
{
    struct subject of = { .store = store, .experiment = id };
    struct run_environment *environments = NULL;
    struct experiment_row experiment = { 0 };
    struct digests_row *runs = NULL, *judged = NULL;
    struct audit_row *found = NULL;
    size_t runs_n = 0, judged_n = 0, found_n = 0, environments_n = 0;
    json_t *spec = NULL, *reported = json_object();
    int status = store_experiment_get(store, id, &experiment, err);
    if (status == 0 && jsonx_load(experiment.spec, strlen(experiment.spec), &spec, NULL) != 0)
        spec = NULL;
    tuning_metrics(spec, &of.metrics);
    if (status == 0)
        status = read_reported(store, id, reported, err);
    if (status == 0)
        status = store_digests_list(store, id, of.metrics.chosen_by, &runs, &runs_n, err);
    if (status == 0 && strcmp(of.metrics.chosen_by, of.metrics.compared) != 0)
        status = store_digests_list(store, id, of.metrics.compared, &judged, &judged_n, err);
    if (status == 0)
        status = store_digests_environments(store, id, &environments, &environments_n, err);
    const struct fairness_input in = { .spec = spec,
                                       .runs = runs,
                                       .runs_n = runs_n,
                                       .judged = judged_n == runs_n ? judged : NULL,
                                       .reported = reported,
                                       .spec_of = read_spec,
                                       .init_of = read_init,
                                       .elsewhere_of = read_elsewhere,
                                       .mean_of = read_mean,
                                       .arg = &of,
                                       .environments = environments,
                                       .environments_n = environments_n };
    if (status == 0)
        status = fairness_find(&in, &found, &found_n, err);
    if (status == 0)
        status = store_audits_replace(store, id, found, found_n, err);
    for (size_t i = 0; i < found_n; i++)
        audit_row_done(&found[i]);
    free(found);
    run_environments_free(environments, environments_n);
    digests_rows_free(runs, runs_n);
    digests_rows_free(judged, judged_n);
    json_decref(reported);
    json_decref(spec);
    experiment_row_done(&experiment);
    return status;
}

int conclude_experiments(struct store *store, struct err *err)
{
    int64_t *ids = NULL;
    size_t n = 0;
    int status = store_ended_now(store, &ids, &n, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = conclude(store, ids[i], err);
    free(ids);
    return status;
}
