/* The sink of a training run's events: each is compared, as it comes, with what the capsule has,
 * and the first difference asks the trainer to end. */
#include "worker/capsule/rerun.h"

#include "common/audit/recompute.h"
#include "common/base/files.h"
#include "common/corpus/corpus.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/metrics.h"
#include "common/wire/wire.h"
#include "worker/capsule/capsule_run_reader.h"
#include "worker/capsule/capsule_values.h"
#include "worker/process/environment.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct difference {
    bool found;
    int64_t step;
    char what[80]; /* a metric, "checkpoint", an artifact … */
    char stored[96], got[96];
};

struct rerun {
    struct capsule_run run;
    struct capsule_values stored;
    struct train_config train;
    struct emit_config emit;
    char folder[PATH_MAX]; /* temporary; "" = none */
    bool succeeded;        /* the stored run */
    bool finished;         /* the one that is trained */
    bool *checkpoints_met; /* by place in run.json; owned */
    int64_t values, checkpoints, artifacts;
    struct difference first;
    struct err err; /* of the sink */
};

/* comparing */

static void note(struct rerun *r, int64_t step, const char *what, const char *stored,
                 const char *got)
{
    struct difference *d = &r->first;
    if (d->found && d->step <= step)
        return;
    *d = (struct difference){ .found = true, .step = step };
    snprintf(d->what, sizeof d->what, "%s", what);
    snprintf(d->stored, sizeof d->stored, "%s", stored);
    snprintf(d->got, sizeof d->got, "%s", got);
}

static void say_number(double value, char ret[96])
{
    struct buf text;
    buf_init(&text, 0);
    if (isfinite(value))
        jsonx_dump_double(value, &text);
    else
        buf_adds(&text, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    snprintf(ret, 96, "%s", text.data != NULL ? text.data : "");
    buf_done(&text);
}

/* A value that isn't stored is a difference only of a run that succeeded, which has stored all. */
static void compare_value(struct rerun *r, const char *metric, int64_t step, const json_t *json)
{
    double stored, got = NAN;
    char was[96] = "nothing", is[96];
    if (metric_is_clock(metric))
        return;
    jsonx_to_double(json, &got);
    say_number(got, is);
    if (capsule_values_meet(&r->stored, metric, step, &stored)) {
        r->values++;
        if (recompute_same(stored, got))
            return;
        say_number(stored, was);
    } else if (!r->succeeded) {
        return;
    }
    note(r, step, metric, was, is);
}

static void compare_text(struct rerun *r, int64_t step, const char *what, const json_t *stored,
                         const json_t *got, int64_t *count)
{
    if (!json_is_string(stored) || !json_is_string(got))
        return;
    *count += 1;
    if (!json_equal(stored, got))
        note(r, step, what, json_string_value(stored), json_string_value(got));
}

/* Events: one function a type. */

static void on_started(struct rerun *r, const json_t *body)
{
    const json_t *stored = json_object_get(r->run.json, "initial_weights");
    const char *tensor;
    json_t *got;
    char what[80];
    int64_t ignored = 0;
    json_object_foreach(json_object_get(body, "init"), tensor, got)
    {
        snprintf(what, sizeof what, "initial %s", tensor);
        compare_text(r, 0, what, json_object_get(stored, tensor), got, &ignored);
    }
}

static void on_metrics(struct rerun *r, const json_t *body)
{
    const json_t *names = json_object_get(body, "names"), *row;
    size_t i;
    json_array_foreach(json_object_get(body, "rows"), i, row) for (size_t k = 0;
                                                                   k < json_array_size(names); k++)
        compare_value(r, json_string_value(json_array_get(names, k)),
                      json_integer_value(json_array_get(row, 0)), json_array_get(row, k + 1));
}

static void on_eval(struct rerun *r, const json_t *body)
{
    int64_t step = json_integer_value(json_object_get(body, "step"));
    const char *metric;
    json_t *value;
    json_object_foreach(json_object_get(body, "values"), metric, value)
        compare_value(r, metric, step, value);
}

static void on_checkpoint(struct rerun *r, const json_t *body)
{
    int64_t step = json_integer_value(json_object_get(body, "step"));
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(r->run.json, "checkpoints"), i,
                       one) if (json_integer_value(json_object_get(one, "step")) == step)
    {
        r->checkpoints_met[i] = true;
        compare_text(r, step, "checkpoint", json_object_get(one, "sha256"),
                     json_object_get(body, "sha256"), &r->checkpoints);
    }
}

static void compare_artifact(struct rerun *r, int64_t step, const json_t *got)
{
    const char *name = json_string_value(json_object_get(got, "name"));
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(r->run.json, "artifacts"), i, one)
    {
        const char *stored = json_string_value(json_object_get(one, "name"));
        if (stored != NULL && strcmp(stored, name) == 0 && recompute_takes(name))
            compare_text(r, step, name, json_object_get(one, "sha256"),
                         json_object_get(got, "sha256"), &r->artifacts);
    }
}

static void on_finished(struct rerun *r, const json_t *body)
{
    static const char *const tokens[] = { "consumed_sha256", "eval_sha256" };
    int64_t step = json_integer_value(json_object_get(body, "step")), ignored = 0;
    const json_t *artifact;
    size_t i;
    json_array_foreach(json_object_get(body, "artifacts"), i, artifact)
        compare_artifact(r, step, artifact);
    for (i = 0; i < sizeof tokens / sizeof *tokens && r->succeeded; i++)
        compare_text(r, step, tokens[i], json_object_get(r->run.json, tokens[i]),
                     json_object_get(body, tokens[i]), &ignored);
    r->finished = true;
}

static void (*const takers[WIRE_TYPES])(struct rerun *, const json_t *) = {
    [WIRE_STARTED] = on_started,       [WIRE_METRICS] = on_metrics,   [WIRE_EVAL] = on_eval,
    [WIRE_CHECKPOINT] = on_checkpoint, [WIRE_FINISHED] = on_finished,
};

static void take_line(void *arg, const char *line, size_t len)
{
    struct rerun *r = arg;
    struct wire_message message;
    if (r->first.found || r->err.code != 0)
        return; /* it is ending */
    if (wire_decode(line, len, &message, &r->err) == 0) {
        if (takers[message.type] != NULL)
            takers[message.type](r, message.body);
        wire_message_done(&message);
    }
    if (r->first.found || r->err.code != 0)
        emit_stop(r->train.emit, "a difference was found");
}

/* making */

static int check_corpus(const struct rerun *r, struct err *err)
{
    struct corpus corpus;
    char digest[DIGEST_HEX];
    const char *dir = r->train.dataset, *wanted = r->run.corpus;
    if (wanted[0] == '\0')
        return 0;
    if (dir == NULL)
        return err_set(err, ERR_USAGE, "run %lld needs --dataset DIR with the corpus %s",
                       (long long)r->run.id, wanted);
    int status = corpus_open(dir, &corpus, err);
    if (status != 0)
        return status;
    corpus_digest(&corpus, digest);
    corpus_done(&corpus);
    return strcmp(digest, wanted) == 0
               ? 0
               : err_set(err, ERR_UNKNOWN_DATASET,
                         "the corpus in %.200s is another one: its digest is %.16s…, the run's "
                         "%.16s…",
                         dir, digest, wanted);
}

static int make_folder(struct rerun *r, const char *out, struct err *err)
{
    const char *base = getenv("TMPDIR");
    if (out != NULL) {
        r->train.out = out;
        return files_make_folder(out, err);
    }
    snprintf(r->folder, sizeof r->folder, "%s/ablate-rerun-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(r->folder) == NULL) {
        int status = err_errno(err, ERR_STORAGE, "can't create %s", r->folder);
        r->folder[0] = '\0';
        return status;
    }
    r->train.out = r->folder;
    return 0;
}

static int prepare(struct rerun *r, const struct capsule *capsule, int64_t id, const char *out,
                   struct err *err)
{
    int status = capsule_run_read(capsule, id, &r->run, err);
    if (status != 0)
        return status;
    const json_t *run = r->run.json;
    const char *state = json_string_value(json_object_get(run, "state"));
    r->succeeded = state != NULL && strcmp(state, "succeeded") == 0;
    r->train.spec = r->run.spec;
    r->train.until = json_integer_value(json_object_get(run, "step"));
    r->checkpoints_met =
        calloc(json_array_size(json_object_get(run, "checkpoints")) + 1, sizeof(bool));
    if (r->checkpoints_met == NULL)
        return err_no_memory(err, "the run");
    if (r->train.until < 1 || r->train.until > r->run.spec.train.steps)
        return err_set(err, ERR_CONFLICT, "run %lld has no steps to compare", (long long)id);
    status = check_corpus(r, err);
    if (status == 0)
        status = capsule_values_read(capsule, id, &r->stored, err);
    return status == 0 ? make_folder(r, out, err) : status;
}

int rerun_new(const struct capsule *capsule, int64_t run, const char *dataset, const char *out,
              int threads, struct rerun **ret, struct err *err)
{
    struct rerun *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_no_memory(err, "the run");
    r->train.dataset = dataset;
    r->train.threads = threads;
    r->emit = (struct emit_config){ .sink = take_line, .sink_arg = r };
    int status = prepare(r, capsule, run, out, err);
    if (status != 0) {
        rerun_free(r);
        return status;
    }
    *ret = r;
    return 0;
}

void rerun_free(struct rerun *r)
{
    if (r == NULL)
        return;
    if (r->folder[0] != '\0')
        files_remove_folder(r->folder);
    capsule_run_done(&r->run);
    capsule_values_done(&r->stored);
    free(r->checkpoints_met);
    free(r);
}

struct train_config *rerun_train(struct rerun *r)
{
    return &r->train;
}

const struct emit_config *rerun_emit(const struct rerun *r)
{
    return &r->emit;
}

/* telling */

/* Names what differs between this environment and those of the attempts that trained; "" = nothing.
 */
static void compare_environments(const struct rerun *r, char *ret, size_t size)
{
    struct environment environment;
    bool other[RECOMPUTE_PARTS] = { 0 }, differs = false;
    const json_t *attempt;
    size_t i;
    *ret = '\0';
    if (environment_get(&environment, NULL) != 0)
        return;
    json_t *own = environment_json(&environment, r->train.threads);
    json_array_foreach(json_object_get(r->run.json, "attempts"), i, attempt)
    {
        const json_t *one = json_object_get(attempt, "environment");
        const char *kind = json_string_value(json_object_get(attempt, "kind"));
        if (kind == NULL || strcmp(kind, "train") != 0 || !json_is_object(one))
            continue;
        differs |= !recompute_agrees(one, own, "digest");
        for (int p = 0; p < RECOMPUTE_PARTS; p++)
            other[p] |= !recompute_agrees(one, own, recompute_parts[p].key);
    }
    if (differs)
        recompute_name(other, ret, size);
    json_decref(own);
}

void rerun_announce(const struct rerun *r)
{
    char what[64];
    compare_environments(r, what, sizeof what);
    printf("run %lld: %s, seed %lld: training %lld steps again\n", (long long)r->run.id,
           json_string_value(json_object_get(r->run.json, "arm")), (long long)r->run.spec.seed,
           (long long)r->train.until);
    if (what[0] != '\0')
        printf(
            "run %lld: it was trained with another %s, so that a difference may come from that\n",
            (long long)r->run.id, what);
    fflush(stdout);
}

/* Notes what is stored and didn't come out: values, and those checkpoints that every complete run
 * writes. */
static void find_unmet(struct rerun *r)
{
    const struct spec_train *train = &r->run.spec.train;
    double value = 0;
    char was[96];
    const json_t *one;
    size_t i;
    int64_t step = 0;
    const char *metric = capsule_values_unmet(&r->stored, &step, &value);
    if (metric != NULL) {
        say_number(value, was);
        note(r, step, metric, was, "nothing");
    }
    json_array_foreach(json_object_get(r->run.json, "checkpoints"), i, one)
    {
        step = json_integer_value(json_object_get(one, "step"));
        bool regular = step % train->checkpoint_every == 0 || step == train->steps;
        if (!r->checkpoints_met[i] && regular)
            note(r, step, "checkpoint", "one", "nothing");
    }
}

int rerun_conclude(struct rerun *r, int status, struct err *err)
{
    if (r->err.code != 0) {
        *err = r->err;
        return -r->err.code;
    }
    if (!r->first.found && status != 0)
        return status;
    if (!r->first.found && !r->finished)
        return err_set(err, ERR_UNAVAILABLE, "stopped before it was compared to its end");
    if (!r->first.found)
        find_unmet(r);
    if (r->first.found)
        return err_set(err, ERR_BAD_DATA,
                       "run %lld: the first difference is %s at step %lld: %s is stored, %s came "
                       "out",
                       (long long)r->run.id, r->first.what, (long long)r->first.step,
                       r->first.stored, r->first.got);
    printf("run %lld: identical: values %lld, checkpoints %lld, artifacts %lld\n",
           (long long)r->run.id, (long long)r->values, (long long)r->checkpoints,
           (long long)r->artifacts);
    return 0;
}
