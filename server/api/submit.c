/* POST experiments: the spec is merged onto its preset and checked as a whole, every run is built,
 * held against its corpus and the memory, and frozen (read), and all is stored at once (write). A
 * repeated Idempotency-Key is looked up first: its experiment is the answer, whatever has become of
 * the dataset since. */
#include "server/api/api.h"

#include "common/corpus/corpus.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/cost.h"
#include "common/spec/metrics.h"
#include "common/spec/spec_json.h"
#include "common/sweep/sweep.h"
#include "common/sweep/sweep_run.h"
#include "common/sweep/sweep_unused.h"
#include "server/api/submit_plan.h"
#include "server/base/options.h"
#include "server/base/presets.h"
#include "server/data/datadir.h"
#include "server/http/exchange/exchange_request.h"
#include "server/jobs/space.h"
#include "server/objects/objects.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_experiments.h"
#include "server/store/store_datasets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A corpus under one way of cutting it, checked once. */
struct checked {
    char *key; /* owned: the data section and what else matters */
    int64_t windows;
    struct checked *next;
};

struct submit {
    bool dry_run;
    int64_t parent;   /* 0 = none */
    int space_status; /* whether anything new is taken on, as the loop knows it */
    struct err no_space;
    struct sweep *sweep;
    char *spec_text, *tags_text, *body_digest;
    struct new_run *runs; /* [sweep->runs_n]; their strings are owned */
    double *flops_total;
    size_t built;
    struct checked *checked;
    json_t *planned; /* what the audits say of the plan */
    int64_t id;
    bool existing;
    struct experiment_row row;
};

/* The runs, and what they were made of. */
static void forget_runs(struct submit *s)
{
    for (size_t i = 0; i < s->built; i++) {
        free((char *)(uintptr_t)s->runs[i].grid);
        free((char *)(uintptr_t)s->runs[i].spec);
        free((char *)(uintptr_t)s->runs[i].digest);
        free((char *)(uintptr_t)s->runs[i].cell);
        free((char *)(uintptr_t)s->runs[i].dataset_digest);
    }
    for (struct checked *c = s->checked, *next; c != NULL; c = next) {
        next = c->next;
        free(c->key);
        free(c);
    }
    free(s->runs);
    sweep_free(s->sweep);
    s->runs = NULL;
    s->checked = NULL;
    s->sweep = NULL;
    s->built = 0;
}

/* All that take_spec makes, and the runs. */
static void forget_spec(struct submit *s)
{
    forget_runs(s);
    free(s->flops_total);
    free(s->spec_text);
    free(s->tags_text);
    free(s->body_digest);
}

static void submit_free(void *arg)
{
    struct submit *s = arg;
    forget_spec(s);
    json_decref(s->planned);
    experiment_row_done(&s->row);
    free(s);
}

int submit_decode(struct request *req, struct err *err)
{
    struct submit *s = request_state(req, sizeof *s, submit_free, err);
    int64_t dry_run = 0;
    if (s == NULL)
        return -ERR_NO_MEMORY;
    if (strlen(req->idempotency_key) > 200)
        return err_set(err, ERR_BAD_PARAMETER, "an Idempotency-Key has at most 200 characters");
    int status = request_arg_int(req, "dry_run", 0, 1, 0, &dry_run, err);
    s->dry_run = dry_run == 1;
    if (status == 0)
        status = request_arg_int(req, "parent", 1, INT64_MAX, 0, &s->parent, err);
    if (!s->dry_run)
        s->space_status = space_check(req->app->space, &s->no_space);
    return status;
}

/* What an Idempotency-Key stands for: the body as it came, and its parent. */
static int digest_submission(const struct request *req, int64_t parent, char ret[DIGEST_HEX],
                             struct err *err)
{
    struct buf text;
    buf_init(&text, 0);
    buf_add(&text, req->body_text, req->body_len);
    if (parent > 0)
        buf_addf(&text, "\nparent %lld", (long long)parent);
    bool failed = text.failed;
    if (!failed)
        digest_of_hex(text.data, text.len, ret);
    buf_done(&text);
    return failed ? err_no_memory(err, "the request") : 0;
}

/* Everything that follows from the body, or nothing of it. */
static int take_spec(struct request *req, struct submit *s, struct err *err)
{
    json_t *spec = NULL;
    char digest[DIGEST_HEX];
    struct submit made = *s;
    int status = preset_apply(req->body, &spec, err);
    if (status == 0)
        status = sweep_new(spec, &made.sweep, err);
    if (status == 0)
        status = sweep_goal_check(made.sweep, err);
    if (status == 0)
        status = sweep_unused_check(made.sweep, req->body, err);
    if (status == 0 && s->space_status != 0) {
        *err = s->no_space;
        status = s->space_status;
    }
    json_decref(spec);
    if (status == 0)
        status = digest_submission(req, s->parent, digest, err);
    if (status == 0) {
        made.body_digest = strdup(digest);
        made.spec_text = jsonx_text(made.sweep->spec, JSONX_KEEP_ORDER);
        made.tags_text = jsonx_text(made.sweep->tags, JSONX_CANONICAL);
        made.runs = calloc(made.sweep->runs_n, sizeof *made.runs);
        made.flops_total = calloc(made.sweep->runs_n, sizeof *made.flops_total);
        if (made.body_digest == NULL || made.spec_text == NULL || made.tags_text == NULL ||
            made.runs == NULL || made.flops_total == NULL)
            status = err_no_memory(err, "%zu runs", made.sweep->runs_n);
    }
    if (status == 0)
        *s = made;
    else
        forget_spec(&made);
    return status;
}

/* One run. */

static int find_dataset(struct store *store, struct run_spec *spec, char **ret_digest,
                        struct err *err)
{
    struct dataset_row row;
    if (spec->data.kind != DATASET_STORED) {
        *ret_digest = NULL;
        return 0;
    }
    int status = store_dataset_get(store, spec->data.dataset, &row, err);
    if (status == -ERR_NOT_FOUND)
        return err_set_at(err, ERR_UNKNOWN_DATASET, "/data/dataset",
                          "there is no dataset \"%.64s\"; GET /api/v1/datasets lists them, PUT "
                          "/api/v1/datasets/NAME stores one",
                          spec->data.dataset);
    if (status != 0)
        return status;
    char *digest = strdup(row.digest);
    if (digest == NULL)
        return err_no_memory(err, "a run");
    snprintf(spec->data.dataset, sizeof spec->data.dataset, "sha256:%s", row.digest);
    *ret_digest = digest;
    return 0;
}

/* Whether the corpus, cut like this, holds what training needs; *ret_windows: for training, 0 of a
 * synthetic task. */
static int check_corpus(const struct request *req, struct submit *s, const struct run_spec *spec,
                        const char *digest, const json_t *frozen, int64_t *ret_windows,
                        struct err *err)
{
    size_t windows = 0;
    char dir[PATH_MAX], batch[32];
    struct corpus corpus;
    if (digest == NULL)
        return 0;
    char *key = jsonx_text(json_object_get(frozen, "data"), JSONX_CANONICAL), *full = NULL;
    snprintf(batch, sizeof batch, "%lld", (long long)spec->train.batch_size);
    if (key == NULL || asprintf(&full, "%s %s", batch, key) < 0) {
        free(key);
        return err_no_memory(err, "a run");
    }
    free(key);
    for (const struct checked *c = s->checked; c != NULL; c = c->next)
        if (strcmp(c->key, full) == 0) {
            free(full);
            *ret_windows = c->windows;
            return 0;
        }
    datadir_path(req->app->datadir, dir, "datasets/%s", digest);
    int status = corpus_open(dir, &corpus, err);
    if (status == 0) {
        status = corpus_split_check(&corpus, spec, &windows, err);
        corpus_done(&corpus);
    }
    if (status == 0)
        *ret_windows = (int64_t)windows;
    struct checked *c = status == 0 ? malloc(sizeof *c) : NULL;
    if (c == NULL) { /* for want of memory it is checked again */
        free(full);
        return status;
    }
    *c = (struct checked){ full, (int64_t)windows, s->checked };
    s->checked = c;
    return 0;
}

static int build_run(const struct request *req, struct submit *s, struct store *store, size_t i,
                     struct err *err)
{
    struct sweep_item item;
    struct new_run *run = &s->runs[i];
    struct cost cost;
    char digest[DIGEST_HEX], cell[DIGEST_HEX], *dataset_digest = NULL;
    int64_t windows = 0;
    json_t *frozen = NULL;
    int status = sweep_run(s->sweep, i, &item, err);
    if (status != 0)
        return status;
    cost_estimate(&item.spec, &cost);
    if (cost.memory_bytes > req->app->options->memory_bytes)
        status =
            err_set_at(err, ERR_MODEL_TOO_LARGE, "/model",
                       "a run of arm \"%.64s\" needs about %lld MiB, and the daemon may use %lld "
                       "(--memory)",
                       item.arm, (long long)(cost.memory_bytes >> 20),
                       (long long)(req->app->options->memory_bytes >> 20));
    if (status == 0)
        status = find_dataset(store, &item.spec, &dataset_digest, err);
    if (status == 0) {
        frozen = run_spec_encode(&item.spec);
        status = check_corpus(req, s, &item.spec, dataset_digest, frozen, &windows, err);
    }
    if (status == 0)
        status = run_spec_digest(&item.spec, digest, err);
    if (status == 0)
        status = run_spec_cell(frozen, cell, err);
    if (status == 0) {
        *run = (struct new_run){
            .arm = item.arm,
            .grid = jsonx_text(item.grid, JSONX_CANONICAL),
            .spec = jsonx_text(frozen, JSONX_CANONICAL),
            .digest = strdup(digest),
            .cell = strdup(cell),
            .dataset_digest = dataset_digest,
            .seed = item.spec.seed,
            .priority = s->sweep->priority,
            .max_attempts = s->sweep->max_attempts,
            .steps = item.spec.train.steps,
            .windows = windows,
            .exclusive = s->sweep->exclusive,
            .cost = cost,
        };
        s->flops_total[i] = cost.flops_total;
        s->built = i + 1;
        if (run->grid == NULL || run->spec == NULL || run->digest == NULL || run->cell == NULL)
            status = err_no_memory(err, "%zu runs", s->sweep->runs_n);
    } else {
        free(dataset_digest);
    }
    json_decref(frozen);
    json_decref(item.grid);
    return status;
}

int submit_read(struct request *req, struct store *store, struct err *err)
{
    struct submit *s = req->state;
    int status = take_spec(req, s, err);
    if (status == 0 && !s->dry_run && req->idempotency_key[0] != '\0')
        status = store_experiment_by_key(store, req->idempotency_key, s->body_digest, &s->id, err);
    if (status == 0 && s->id > 0) {
        s->existing = true;
        return store_experiment_get(store, s->id, &s->row, err);
    }
    if (status == 0 && s->parent > 0)
        status = store_experiment_known(store, s->parent, err);
    for (size_t i = 0; status == 0 && i < s->sweep->runs_n; i++)
        status = build_run(req, s, store, i, err);
    if (status == 0)
        status =
            submit_plan(store, req->app->datadir, s->sweep, s->runs, s->built, &s->planned, err);
    if (status != 0)
        forget_runs(s); /* there may be thousands, and the state is freed on the loop */
    return status;
}

int submit_write(struct request *req, struct store *store, struct err *err)
{
    struct submit *s = req->state;
    const struct sweep *sweep = s->sweep;
    if (s->dry_run || s->existing)
        return 0;
    const struct new_experiment new = {
        .name = sweep->name,
        .notes = sweep->notes,
        .hypothesis = sweep->hypothesis,
        .tags = s->tags_text,
        .spec = s->spec_text,
        .metric = metric_names[sweep->compare.metric],
        .goal = sweep->compare.goal == GOAL_MAX ? "max" : "min",
        .parent = s->parent,
        .idempotency_key = req->idempotency_key[0] != '\0' ? req->idempotency_key : NULL,
        .body_digest = req->idempotency_key[0] != '\0' ? s->body_digest : NULL,
        .runs = s->runs,
        .runs_n = sweep->runs_n,
    };
    int status = store_experiment_add(store, &new, &s->id, &s->existing, err);
    return status == 0 ? store_experiment_get(store, s->id, &s->row, err) : status;
}

/* The reply. */

/* A small model reaches about this on one core; the figure only serves the estimate of a dry run.
 */
static const double flops_per_core_s = 6e10;

static json_t *dry_run_json(const struct request *req, const struct submit *s)
{
    json_t *runs = json_array();
    double flops = 0;
    int64_t memory = 0;
    for (size_t i = 0; i < s->built; i++) {
        const struct new_run *run = &s->runs[i];
        json_array_append_new(
            runs, json_pack("{s:s, s:o, s:I, s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "arm", run->arm,
                            "grid", objects_embed(run->grid), "seed", (json_int_t)run->seed,
                            "digest", run->digest, "steps", (json_int_t)run->steps, "parameters",
                            (json_int_t)run->cost.parameters, "memory_bytes",
                            (json_int_t)run->cost.memory_bytes, "flops_per_step",
                            run->cost.flops_per_step, "flops_total", s->flops_total[i],
                            "estimated_seconds", s->flops_total[i] / flops_per_core_s));
        flops += s->flops_total[i];
        memory = run->cost.memory_bytes > memory ? run->cost.memory_bytes : memory;
    }
    double slots = (double)supervisor_limits(req->app->supervisor)->slots;
    return json_pack("{s:b, s:s, s:o, s:O, s:{s:I, s:I, s:f, s:f}}", "dry_run", 1, "name",
                     s->sweep->name, "runs", runs, "planned_audits", s->planned, "totals", "runs",
                     (json_int_t)s->built, "memory_bytes", (json_int_t)memory, "flops", flops,
                     "estimated_seconds", flops / flops_per_core_s / slots);
}

int submit_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct submit *s = req->state;
    if (s->dry_run)
        reply_json(reply, 200, dry_run_json(req, s), -1);
    forget_runs(s); /* as when it is refused */
    if (s->dry_run)
        return 0;
    reply_header(reply, "Location", "%s/api/v1/experiments/%lld", req->app->options->public_path,
                 (long long)s->id);
    json_t *made = objects_experiment(&s->row);
    if (s->planned != NULL)
        json_object_set(made, "planned_audits", s->planned);
    reply_json(reply, s->existing ? 200 : 201, made, req->as_of);
    return 0;
}

int submit_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    if (!((const struct submit *)req->state)->dry_run)
        supervisor_kick(req->app->supervisor);
    return 0;
}
