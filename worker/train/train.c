/* An attempt, from its start or a checkpoint to its last event. Writing to the disk is tried again
 * while the disk is full (wait_for_storage), so that a step is done once or not at all; between steps
 * the attempt looks whether it was told to stop. */
#include "worker/train/train.h"

#include "common/base/clock.h"
#include "common/json/jsonx.h"
#include "common/spec/cost.h"
#include "common/spec/metrics.h"
#include "common/spec/spec_json.h"
#include "worker/audit/audit.h"
#include "worker/data/data.h"
#include "worker/files/artifacts.h"
#include "worker/files/checkpoint.h"
#include "worker/model/model.h"
#include "worker/ops/gemm.h"
#include "worker/optim/optim.h"
#include "worker/process/environment.h"
#include "worker/process/interference.h"
#include "worker/train/fingerprints.h"
#include "worker/train/finite.h"
#include "worker/train/handed.h"
#include "worker/train/pictures.h"
#include "worker/train/train_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All that an attempt holds. */
struct train {
    const struct train_config *config;
    const struct run_spec *spec;
    struct emit *emit;
    struct environment environment;
    char run_digest[DIGEST_HEX];
    struct checkpoint_origin origin;
    struct data *data;
    struct model *model;
    struct artifacts artifacts;
    struct pictures *pictures; /* NULL = none are wanted */
    struct audits *audits;     /* NULL = this run isn't audited */
    int32_t *windows;          /* [B × (T+1)] */
    struct handed handed;      /* windows that evaluations were handed */
    int64_t from;              /* the step that the attempt begins after */
    int64_t step;              /* the last one done */
    int64_t last;              /* the one to end with */
    int waits_for;             /* DISK_FULL: room on the disk; STORAGE: its folder; 0 = nothing */
    int64_t waits_since_ms;    /* for that */
    double waited_s;           /* in all, audits included */
    struct finite finite;
    bool finished; /* and said so */
    struct interference_sample began;
    const char *metric_names[EMIT_METRICS_NAMES]; /* of a step */
    size_t metrics_n;
};

static void emit_step(struct train *t, const struct step_figures *f)
{
    double values[EMIT_METRICS_NAMES];
    step_metrics(t->spec, f, values);
    emit_metrics(t->emit, t->metric_names, t->metrics_n, t->step, values);
    for (size_t i = 0; i < t->metrics_n; i++)
        finite_metric(&t->finite, t->metric_names[i], t->step, values[i]);
}

static bool stopping(const struct train *t)
{
    return emit_stopped(t->emit) != NULL;
}

/* Sums over the windows of a part, and unless ret_figures is NULL the recall and the pictures of the
 * first batch. False when a stop came meanwhile. */
static bool measure(struct train *t, enum corpus_part part, struct model_eval *ret,
                    struct eval_figures *ret_figures)
{
    size_t n = data_eval_windows(t->data, part), rows;
    *ret = (struct model_eval){ 0 };
    for (size_t i = 0; i < n && !stopping(t); i += rows) {
        struct model_eval got;
        rows = handed_next(&t->handed, part, i, t->windows);
        model_evaluate(t->model, t->windows, (int64_t)rows, t->step, &got);
        if (t->audits != NULL)
            audits_evaluated(t->audits, part, i, t->windows, rows, &got);
        ret->nll += got.nll;
        ret->correct += got.correct;
        ret->targets += got.targets;
        if (i > 0 || ret_figures == NULL)
            continue;
        ret_figures->leaves_out =
            model_recall(t->model, (int64_t)rows, false, &ret_figures->recall);
        pictures_take(t->pictures, t->model, t->windows, (int64_t)rows, t->step);
    }
    return !stopping(t);
}

enum { FAULT_MS = 60000 };

/* Storage that is full is waited for, without advancing. So is, for FAULT_MS, a folder that is away
 * or may not be written: somebody may be at it. A fault that lasts longer ends the attempt. */
static bool wait_for_storage(struct train *t, int status, const struct err *err)
{
    bool full = status == -ERR_DISK_FULL;
    double start = clock_mono_s();
    if ((!full && status != -ERR_STORAGE) || stopping(t)) {
        t->waits_for = 0;
        return false;
    }
    if (t->waits_for != -status) {
        t->waits_for = -status;
        t->waits_since_ms = clock_mono_ms();
        emit_log(t->emit, "warn", "waiting for %s: %s",
                 full ? "room on the disk" : "the run's folder", err->message);
    }
    if (!full && clock_mono_ms() - t->waits_since_ms > FAULT_MS)
        return false;
    for (int i = 0; i < 20 && !stopping(t); i++)
        usleep(100000);
    t->waited_s += clock_mono_s() - start;
    return !stopping(t);
}

/* Means over the windows of a part. A stop that comes meanwhile leaves it unsaid. */
static int evaluate(struct train *t, enum corpus_part part, struct err *err)
{
    struct model_eval sum;
    struct eval_figures figures = { 0 }, *f = &figures;
    double start = clock_mono_s();
    json_t *artifacts = NULL;
    int status;
    /* one batch tells enough of recall, and costs as much as dense attention */
    if (!measure(t, part, &sum, part == CORPUS_VAL ? f : NULL))
        return 0;
    do
        status = pictures_save(t->pictures, &t->artifacts, &artifacts, err);
    while (wait_for_storage(t, status, err));
    if (status != 0)
        return status;
    f->loss = sum.nll / (double)sum.targets;
    f->accuracy = (double)sum.correct / (double)sum.targets;
    if (t->audits != NULL)
        audits_told(t->audits, f->loss);
    const char *names[METRICS];
    double numbers[METRICS];
    size_t n = eval_metrics(part, f, names, numbers);
    json_t *values = json_object();
    for (size_t i = 0; i < n; i++)
        json_object_set_new(values, names[i], jsonx_number(numbers[i]));
    emit_event(t->emit, WIRE_EVAL,
               json_pack("{s:I, s:o, s:o*}", "step", (json_int_t)t->step, "values", values,
                         "artifacts", artifacts),
               false);
    emit_log(t->emit, "info", "step %lld: %s/loss %.4f, %s/accuracy %.2f %% (%lld targets, %.2f s)",
             (long long)t->step, corpus_part_names[part], f->loss, corpus_part_names[part],
             100 * f->accuracy, (long long)sum.targets, clock_mono_s() - start);
    for (size_t i = 0; i < n; i++)
        finite_metric(&t->finite, names[i], t->step, numbers[i]);
    return 0;
}

static int save_checkpoint(struct train *t, struct err *err)
{
    struct checkpoint made;
    int status;
    /* What comes before a checkpoint isn't trained again, so its events must be on the disk. */
    finite_parameters(&t->finite, model_params(t->model), t->step);
    emit_sync(t->emit);
    do
        status = checkpoint_save(t->config->out, model_params(t->model), t->step, &t->origin, &made,
                                 err);
    while (wait_for_storage(t, status, err));
    if (status == 0)
        emit_event(t->emit, WIRE_CHECKPOINT,
                   json_pack("{s:I, s:s, s:I, s:s}", "step", (json_int_t)t->step, "file", made.file,
                             "bytes", (json_int_t)made.info.bytes, "sha256", made.content),
                   false);
    return status;
}

/* What audits do in the midst of a step isn't a part of its time. */
enum moment { OF_BATCH, OF_GRADIENT, OF_UPDATE };

static void tell_audits(struct train *t, enum moment moment, int64_t step,
                        const struct optim_stats *stats)
{
    double start = clock_mono_s();
    if (t->audits == NULL)
        return;
    if (moment == OF_BATCH)
        audits_batch(t->audits, step, t->windows);
    else if (moment == OF_GRADIENT)
        audits_gradient(t->audits, step);
    else
        audits_updated(t->audits, step, stats);
    t->waited_s += clock_mono_s() - start;
}

static int one_step(struct train *t, struct err *err)
{
    const struct spec_train *train = &t->spec->train;
    struct params *params = model_params(t->model);
    struct step_figures figures = { .tokens = (double)(train->batch_size * t->spec->data.seq_len) };
    int64_t step = t->step + 1;
    double start = clock_mono_s() - t->waited_s;
    int status = data_batch(t->data, step, t->windows, err);
    if (status != 0)
        return status;
    do
        status = artifacts_batch(&t->artifacts, step, t->windows, err);
    while (wait_for_storage(t, status, err));
    if (status != 0)
        return status;
    tell_audits(t, OF_BATCH, step, NULL);
    model_step(t->model, t->windows, step, &figures.model);
    do
        status = artifacts_gradients(&t->artifacts, step, params, err);
    while (wait_for_storage(t, status, err));
    if (status != 0)
        return status;
    tell_audits(t, OF_GRADIENT, step, NULL);
    optim_step(train, params, step, model_pool(t->model), &figures.optim);
    tell_audits(t, OF_UPDATE, step, &figures.optim);
    t->step = step;
    figures.seconds = clock_mono_s() - t->waited_s - start;
    emit_step(t, &figures);
    if (t->audits != NULL)
        audits_step(t->audits, step, figures.model.loss);
    if (t->audits != NULL)
        audits_watch(t->audits, step == train->steps);
    if (step % train->eval_every == 0 || step == train->steps)
        status = evaluate(t, CORPUS_VAL, err);
    if (t->audits != NULL)
        audits_watch(t->audits, false);
    if (status == 0 && (step % train->checkpoint_every == 0 || step == train->steps) &&
        !stopping(t))
        status = save_checkpoint(t, err);
    return status == 0 ? emit_failed(t->emit, err) : status;
}

static void tell_refused(void *arg, const char *file, const struct err *why)
{
    struct train *t = arg;
    emit_log(t->emit, "warn", "%s is passed over: %s", file, why->message);
}

/* Bits are promised for one environment (environment.h). */
static void tell_moved(struct train *t, const struct checkpoint_found *from)
{
    bool core = from->blas_core[0] != '\0' && strcmp(from->blas_core, t->origin.blas_core) != 0;
    if (core)
        emit_log(
            t->emit, "warn",
            "the checkpoint of step %lld was made with OpenBLAS' core %s, and this is %s: what "
            "follows may have other bits than it would have had there",
            (long long)from->step, from->blas_core, t->origin.blas_core);
    else if (from->elsewhere)
        emit_log(
            t->emit, "warn",
            "the checkpoint of step %lld was made by another program, OpenBLAS core, settings of "
            "OpenBLAS or code path: what follows may have other bits than it would have had there",
            (long long)from->step);
}

static int resume(struct train *t, struct err *err)
{
    struct checkpoint_found found;
    int status = checkpoint_load(t->config->out, model_params(t->model), &t->origin, tell_refused,
                                 t, &found, err);
    if (status != 0)
        return status;
    if (found.step > 0)
        tell_moved(t, &found);
    t->step = found.step;
    /* The digest of what was consumed covers the steps that are not trained again, too. */
    for (int64_t step = 1; step <= t->step && status == 0; step++)
        status = data_batch(t->data, step, t->windows, err);
    return status;
}

static int begin(struct train *t, struct err *err)
{
    size_t width = (size_t)t->spec->data.seq_len + 1;
    int status = run_spec_digest(t->spec, t->run_digest, err);
    if (status == 0)
        status = environment_get(&t->environment, err);
    if (status == 0)
        status = model_new(t->spec, t->config->threads, &t->model, err);
    if (status == 0 && t->config->settled != NULL)
        status = t->config->settled(err);
    if (status == 0)
        status = data_new(t->spec, t->config->dataset, &t->data, err);
    if (status == 0)
        t->handed = handed_of(t->data);
    if (status == 0)
        t->origin = (struct checkpoint_origin){ .run_digest = t->run_digest,
                                                .environment_digest = t->environment.digest,
                                                .blas_core = gemm_blas_core(),
                                                .corpus = t->data->corpus };
    if (status == 0 && (t->windows = calloc((size_t)t->spec->train.batch_size * width,
                                            sizeof *t->windows)) == NULL)
        status = err_no_memory(err, "a batch");
    if (status == 0)
        do
            status = artifacts_begin(&t->artifacts, t->spec, t->config->out, err);
        while (wait_for_storage(t, status, err));
    if (status == 0)
        status = pictures_new(t->spec, &t->pictures, err);
    if (status == 0)
        do
            status = artifacts_init(&t->artifacts, model_params(t->model), err);
        while (wait_for_storage(t, status, err));
    if (status == 0 && t->config->resume)
        do
            status = resume(t, err);
        while (wait_for_storage(t, status, err));
    t->from = t->step;
    const struct audit_context audited = {
        .spec = t->spec,
        .model = t->model,
        .data = t->data,
        .emit = t->emit,
        .out = t->config->out,
        .origin = &t->origin,
        .replays = t->config->replays,
        .only = t->config->only,
    };
    if (status == 0 && t->config->audits)
        status = audits_new(&audited, &t->audits, err);
    if (status != 0)
        return status;
    emit_event(t->emit, WIRE_STARTED,
               json_pack("{s:I, s:o, s:o*, s:o*}", "step", (json_int_t)t->step, "environment",
                         environment_json(&t->environment, t->config->threads), "init",
                         t->step == 0 ? fingerprints_weights(model_params(t->model)) : NULL,
                         "guess", t->audits != NULL ? audits_guess(t->audits) : NULL),
               false);
    char windows[120] = "windows drawn as they are needed";
    const struct corpus_split *split = &t->data->split;
    struct cost cost;
    cost_estimate(t->spec, &cost);
    if (t->spec->data.kind == DATASET_STORED)
        snprintf(windows, sizeof windows,
                 "%zu training, %zu validation and %zu test windows of %zu tokens",
                 split->parts[CORPUS_TRAIN].windows, split->parts[CORPUS_VAL].windows,
                 split->parts[CORPUS_TEST].windows, split->seq_len);
    emit_log(t->emit, "info", "%s; %lld parameters; %d threads; from step %lld", windows,
             (long long)cost.parameters, t->config->threads, (long long)t->step);
    if (t->audits != NULL && t->step == 0)
        audits_begin(t->audits);
    return 0;
}

/* What else used the machine since the attempt began. */
static json_t *interference(const struct train *t)
{
    struct interference_sample now;
    interference_sample(&now);
    return interference_between(&t->began, &now);
}

/* An attempt that resumes behind the last step validates nothing more; the audits still ask for the
 * last validation. */
static void watch_validation(struct train *t)
{
    struct model_eval sum;
    if (t->audits == NULL)
        return;
    audits_watch(t->audits, true);
    if (measure(t, CORPUS_VAL, &sum, NULL))
        audits_told(t->audits, sum.nll / (double)sum.targets);
    audits_watch(t->audits, false);
}

static int finish(struct train *t, struct err *err)
{
    json_t *artifacts = NULL;
    char consumed[DIGEST_HEX], evaluated[DIGEST_HEX];
    int status = 0;
    bool whole = t->step == t->spec->train.steps;
    if (whole && t->from == t->step)
        watch_validation(t);
    handed_fill(&t->handed, CORPUS_VAL, t->windows);
    if (whole)
        status = evaluate(t, CORPUS_TEST, err);
    if (status != 0 || stopping(t))
        return status;
    finite_parameters(&t->finite, model_params(t->model), t->step);
    do
        status = whole ? artifacts_final(&t->artifacts, model_params(t->model), err) : 0;
    while (wait_for_storage(t, status, err));
    if (status == 0 && t->audits != NULL)
        audits_end(t->audits); /* the model is another one afterwards */
    if (stopping(t))
        return status;
    if (status == 0)
        do
            status = artifacts_end(&t->artifacts, &artifacts, err);
        while (wait_for_storage(t, status, err));
    if (status != 0)
        return status;
    finite_end(&t->finite, t->from, t->step);
    data_consumed(t->data, consumed);
    handed_fill(&t->handed, CORPUS_TEST, t->windows);
    handed_end(&t->handed, evaluated);
    emit_event(t->emit, WIRE_FINISHED,
               json_pack("{s:I, s:o, s:s, s:s, s:o}", "step", (json_int_t)t->step, "artifacts",
                         artifacts, "consumed_sha256", consumed, "eval_sha256", evaluated,
                         "interference", interference(t)),
               true);
    t->finished = true;
    return emit_failed(t->emit, err);
}

static void done(struct train *t)
{
    audits_free(t->audits);
    data_free(t->data);
    model_free(t->model);
    free(t->windows);
    pictures_free(t->pictures);
    if (t->artifacts.batches != NULL)
        fclose(t->artifacts.batches);
}

int train_run(const struct train_config *config, enum train_end *ret, struct err *err)
{
    struct train t = { .config = config, .spec = &config->spec, .emit = config->emit };
    struct err failure = { 0 };
    int64_t steps = t.spec->train.steps;
    t.finite.emit = t.emit;
    interference_sample(&t.began);
    t.last = config->until > 0 && config->until < steps ? config->until : steps;
    t.metrics_n = step_metrics_named(t.spec, t.metric_names);
    int status = begin(&t, &failure);
    while (status == 0 && t.step < t.last && !stopping(&t))
        status = one_step(&t, &failure);
    if (status == 0 && !stopping(&t))
        status = finish(&t, &failure);
    const char *stop = t.finished ? NULL : emit_stopped(t.emit);
    if (stop != NULL && status == 0 && t.step > 0 && t.step < steps)
        status = save_checkpoint(&t, &failure);
    /* An attempt that is told to end while it waits for its storage hasn't failed: the next one
     * goes on from the checkpoint before. */
    if (stop != NULL && (status == -ERR_DISK_FULL || status == -ERR_STORAGE))
        status = 0;
    if (status != 0)
        stop = NULL;
    if (status != 0 || stop != NULL)
        emit_event(t.emit, WIRE_FAILED,
                   json_pack("{s:s, s:s, s:o}", "reason",
                             status != 0 ? err_name(status) : "stopped", "detail",
                             status != 0 ? failure.message : stop, "interference",
                             interference(&t)),
                   true);
    done(&t);
    if (err != NULL && status != 0)
        *err = failure;
    if (status == 0)
        *ret = stop != NULL ? TRAIN_STOPPED : TRAIN_FINISHED;
    return status;
}
