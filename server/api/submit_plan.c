/* The planned runs as rows that the audits of fairness look at, and their findings as JSON. A split
 * is measured once, however many runs share it, and only as far as that takes no longer than
 * somebody who submits would wait. */
#include "server/api/submit_plan.h"

#include "common/corpus/corpus.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/spec_json.h"
#include "common/sweep/tuning.h"
#include "server/objects/objects.h"
#include "server/verdict/fairness/fairness.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_MOST = 1 << 26, SPLITS_MOST = 16 }; /* that are looked through */

/* A way of cutting a corpus, measured. */
struct measured {
    char *key; /* owned: the data section and the windows that evaluation looks at */
    struct overlap overlap;
};

struct planned {
    struct store *store;
    const struct datadir *datadir;
    const struct new_run *runs;
    struct tuning_metrics metrics;
    struct measured measured[SPLITS_MOST];
    size_t measured_n;
};

static int spec_of(void *arg, int64_t run, json_t **ret, struct err *err)
{
    const struct planned *p = arg;
    const char *text = p->runs[run - 1].spec;
    return jsonx_load(text, strlen(text), ret, err);
}

static int init_of(void *arg, int64_t run, json_t **ret, struct err *err)
{
    (void)arg;
    (void)run;
    (void)err;
    *ret = NULL;
    return 0;
}

static int elsewhere_of(void *arg, const char *cell, struct cell_row **ret, size_t *ret_n,
                        struct err *err)
{
    const struct planned *p = arg;
    return store_cells_elsewhere(p->store, cell, 0, p->metrics.compared, FAIRNESS_OTHERS, ret,
                                 ret_n, err);
}

static int mean_of(void *arg, const char *cell, struct cell_row *row, struct err *err)
{
    const struct planned *p = arg;
    return store_cells_measure(p->store, cell, p->metrics.compared, row, err);
}

static int measure(const struct planned *p, const struct run_spec *spec, struct overlap *ret,
                   const char **ret_why, struct err *err)
{
    static const char large[] =
        "the corpus is too large to be looked through now: the first run of "
        "each grid point measures it";
    char dir[PATH_MAX];
    struct corpus corpus;
    struct corpus_split split;
    const char *digest = strchr(spec->data.dataset, ':');
    datadir_path(p->datadir, dir, "datasets/%s", digest != NULL ? digest + 1 : "");
    int status = corpus_open(dir, &corpus, err);
    if (status != 0)
        return status;
    size_t tokens = corpus.text_bytes + corpus.documents;
    if (spec->data.tokens > 0 && (size_t)spec->data.tokens < tokens)
        tokens = (size_t)spec->data.tokens;
    *ret_why = tokens > TOKENS_MOST ? large : NULL;
    if (*ret_why == NULL && (status = corpus_split_new(&corpus, spec, &split, err)) == 0) {
        status = overlap_measure(&split, spec->train.eval_windows, NULL, ret, err);
        corpus_split_done(&split);
    }
    corpus_done(&corpus);
    return status;
}

/* NULL when memory runs out. */
static char *key_of(const struct run_spec *spec)
{
    json_t *frozen = run_spec_encode(spec);
    char *data = jsonx_text(json_object_get(frozen, "data"), JSONX_CANONICAL), *key = NULL;
    if (data != NULL && asprintf(&key, "%lld %s", (long long)spec->train.eval_windows, data) < 0)
        key = NULL;
    free(data);
    json_decref(frozen);
    return key;
}

static int overlap_of(void *arg, const struct run_spec *spec, struct overlap *ret,
                      const char **ret_why, struct err *err)
{
    struct planned *p = arg;
    if (spec->data.kind != DATASET_STORED) {
        *ret_why = audit_table[AUDIT_SPLIT_OVERLAP]->moot;
        return 0;
    }
    char *key = key_of(spec);
    if (key == NULL)
        return err_no_memory(err, "a split");
    for (size_t i = 0; i < p->measured_n; i++)
        if (strcmp(p->measured[i].key, key) == 0) {
            free(key);
            *ret = p->measured[i].overlap;
            *ret_why = NULL;
            return 0;
        }
    int status = 0;
    if (p->measured_n == SPLITS_MOST)
        *ret_why = "there are too many ways of cutting the corpus to look at all of them now: the "
                   "first run of each grid point measures it";
    else
        status = measure(p, spec, ret, ret_why, err);
    if (status == 0 && *ret_why == NULL)
        p->measured[p->measured_n++] = (struct measured){ key, *ret };
    else
        free(key);
    return status;
}

static json_t *finding_json(const struct audit_row *row)
{
    const struct audit_info *info = audit_find(row->name);
    return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:b, s:s, s:s}", "name", row->name, "status",
                     row->status, "detail", row->detail, "arm", row->arm, "grid",
                     objects_embed(row->grid), "evidence", objects_embed(row->evidence),
                     "invalidates", (int)info->invalidates, "what", info->what, "remedy",
                     info->remedy);
}

int submit_plan(struct store *store, const struct datadir *datadir, const struct sweep *sweep,
                const struct new_run *runs, size_t runs_n, json_t **ret, struct err *err)
{
    struct planned planned = { .store = store, .datadir = datadir, .runs = runs };
    struct digests_row *rows = calloc(runs_n + 1, sizeof *rows);
    struct audit_row *found = NULL;
    size_t found_n = 0;
    json_t *list = json_array();
    if (rows == NULL || list == NULL) {
        free(rows);
        json_decref(list);
        return err_no_memory(err, "%zu runs", runs_n);
    }
    for (size_t i = 0; i < runs_n; i++)
        rows[i] = (struct digests_row){ .run = (int64_t)i + 1,
                                        .seed = runs[i].seed,
                                        .state = RUN_QUEUED,
                                        .arm = (char *)(uintptr_t)runs[i].arm,
                                        .grid = (char *)(uintptr_t)runs[i].grid,
                                        .cell = (char *)(uintptr_t)runs[i].cell };
    tuning_metrics(sweep->spec, &planned.metrics);
    const struct fairness_input in = { .spec = sweep->spec,
                                       .runs = rows,
                                       .runs_n = runs_n,
                                       .spec_of = spec_of,
                                       .init_of = init_of,
                                       .elsewhere_of = elsewhere_of,
                                       .mean_of = mean_of,
                                       .overlap_of = overlap_of,
                                       .arg = &planned };
    int status = fairness_planned(&in, &found, &found_n, err);
    for (size_t i = 0; i < found_n; i++) {
        json_array_append_new(list, finding_json(&found[i]));
        audit_row_done(&found[i]);
    }
    free(found);
    while (planned.measured_n > 0)
        free(planned.measured[--planned.measured_n].key);
    free(rows);
    if (status == 0)
        *ret = list;
    else
        json_decref(list);
    return status;
}
