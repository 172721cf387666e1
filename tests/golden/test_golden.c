/* The trainer against small runs of every arm as another implementation computed them
 * (tests/oracle, which also tells how exactly the two must agree).
 *
 * A golden is a run's frozen spec, the sizes of its split, its batches, the logits, losses and
 * every gradient of step 1, what 5 steps report, an evaluation after each, and how far each tensor
 * has moved. Initial values are shared: a file for each init, by tensor name. Each golden is held
 * against the trainer in aspects, a test for each pair, so that the first aspect that fails names
 * the module.
 */
#include "common/base/buf.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/spec_json.h"
#include "worker/data/data.h"
#include "worker/model/model.h"
#include "worker/optim/optim.h"

#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER "tests/golden/"

/* By a share of an array's greatest magnitude. The goldens are exact (float64, stored to 5e-7), and
 * what float32 loses in sums of some hundred products, through two layers and back, was seen to
 * stay below 2e-6 on every code path of the BLAS. */
static const double tolerance = 5e-6;
/* Of how far a tensor moves: Adam divides by the gradient's size, so where a gradient is next to
 * nothing its rounding moves the parameter as far as it would. */
static const double moved_tolerance = 5e-5;

struct golden {
    json_t *root;
    struct run_spec spec;
    struct data *data;
    struct model *model;
    int32_t *windows; /* [B × (T+1)] */
};

static char corpora_dir[] = "/tmp/ablate-golden-XXXXXX";
static const char *const corpora[] = { "corpus", "ties" };
enum { CORPORA = sizeof corpora / sizeof *corpora };

static json_t *read_json(const char *name)
{
    char path[256];
    json_error_t error;
    snprintf(path, sizeof path, FOLDER "%s.json", name);
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL)
        fail_msg("%s: %s", path, error.text);
    return json;
}

static const json_t *entry(const struct golden *golden, const char *group, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "%s%s%s", group, *name != '\0' ? " " : "", name);
    const json_t *value = json_object_get(golden->root, key);
    if (value == NULL)
        fail_msg("the golden has no \"%s\"", key);
    return value;
}

static const char *corpus_of(const struct golden *golden)
{
    const json_t *name = json_object_get(golden->root, "corpus");
    return name != NULL ? json_string_value(name) : corpora[0];
}

static void golden_open(struct golden *golden, const char *name)
{
    struct err err = { 0 };
    memset(golden, 0, sizeof *golden);
    golden->root = read_json(name);
    char corpus[128];
    snprintf(corpus, sizeof corpus, "%s/%s", corpora_dir, corpus_of(golden));
    if (run_spec_decode(entry(golden, "spec", ""), "", &golden->spec, &err) != 0 ||
        data_new(&golden->spec, corpus, &golden->data, &err) != 0 ||
        model_new(&golden->spec, 2, &golden->model, &err) != 0)
        fail_msg("%s: %s", err.pointer, err.message);
    golden->windows =
        calloc((size_t)(golden->spec.train.batch_size * (golden->spec.data.seq_len + 1)),
               sizeof *golden->windows);
}

static void golden_close(struct golden *golden)
{
    free(golden->windows);
    model_free(golden->model);
    data_free(golden->data);
    json_decref(golden->root);
}

static void draw_batch(struct golden *golden, int64_t step)
{
    struct err err = { 0 };
    if (data_batch(golden->data, step, golden->windows, &err) != 0)
        fail_msg("%s", err.message);
}

/* Comparisons. Written so that a NaN fails. */

static void assert_near(const char *what, int64_t step, const json_t *expected, const char *key,
                        double actual, double relative)
{
    double value = json_number_value(json_object_get(expected, key));
    if (!(fabs(actual - value) <= relative * fabs(value)))
        fail_msg("%s %s of step %lld is %.9g, not %.9g", what, key, (long long)step, actual, value);
}

/* expected: {"max": m, "e6": [whole millionths of m]}. */
static void assert_array_near(const char *what, const json_t *expected, const real *actual,
                              size_t count)
{
    const json_t *millionths = json_object_get(expected, "e6");
    double max = json_number_value(json_object_get(expected, "max"));
    assert_int_equal(json_array_size(millionths), count);
    for (size_t i = 0; i < count; i++) {
        double value = max * 1e-6 * json_number_value(json_array_get(millionths, i));
        if (!(fabs((double)actual[i] - value) <= tolerance * max))
            fail_msg("%s[%zu] is %.9g, not %.9g (the greatest is %.3g)", what, i, (double)actual[i],
                     value, max);
    }
}

/* How many float32 values lie between two of the same sign. */
static int64_t ulps_between(float a, float b)
{
    int32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return (x < 0) == (y < 0) ? llabs((int64_t)x - y) : a == b ? 0 : INT64_MAX;
}

/* Aspects. */

static void check_spec(struct golden *golden)
{
    struct buf frozen, expected;
    json_t *json = run_spec_encode(&golden->spec);
    buf_init(&frozen, 0);
    buf_init(&expected, 0);
    jsonx_dump(json, JSONX_CANONICAL, &frozen);
    jsonx_dump(entry(golden, "spec", ""), JSONX_CANONICAL, &expected);
    buf_add(&frozen, "", 1);
    buf_add(&expected, "", 1);
    assert_string_equal(frozen.data, expected.data);
    buf_done(&frozen);
    buf_done(&expected);
    json_decref(json);
}

static void check_initial(struct golden *golden)
{
    json_t *initial = read_json(json_string_value(entry(golden, "initial", "")));
    const struct params *params = model_params(golden->model);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        const json_t *values = json_object_get(initial, t->name);
        if (values == NULL)
            fail_msg("%s should not be there", t->name);
        assert_int_equal(json_array_size(values), t->count);
        for (size_t k = 0; k < t->count; k++) {
            float value = (float)json_number_value(json_array_get(values, k));
            float actual = (float)params->value[t->offset + k];
            if (ulps_between(value, actual) > 1)
                fail_msg("%s[%zu] is %.9g, not %.9g", t->name, k, (double)actual, (double)value);
        }
    }
    json_decref(initial);
}

static void check_batches(struct golden *golden)
{
    const json_t *sizes = entry(golden, "windows", ""), *batches = entry(golden, "batches", "");
    for (int part = 0; part < CORPUS_PARTS; part++)
        assert_int_equal(golden->data->split.parts[part].windows,
                         json_integer_value(json_object_get(sizes, corpus_part_names[part])));
    size_t step, b, t;
    const json_t *windows, *window, *token;
    json_array_foreach(batches, step, windows)
    {
        const int32_t *at = golden->windows;
        draw_batch(golden, (int64_t)step + 1);
        assert_int_equal(json_array_size(windows), golden->spec.train.batch_size);
        json_array_foreach(windows, b, window) json_array_foreach(window, t, token)
        {
            if (*at++ != json_integer_value(token))
                fail_msg("step %zu, window %zu, token %zu is %d, not %lld", step + 1, b, t, at[-1],
                         (long long)json_integer_value(token));
        }
    }
    assert_true(step > 0);
}

static void check_logits(struct golden *golden)
{
    size_t v = (size_t)run_spec_vocab(&golden->spec), t = (size_t)golden->spec.data.seq_len;
    int64_t n = golden->spec.train.batch_size;
    real *logits = calloc((size_t)n * t * v, sizeof *logits);
    draw_batch(golden, 1);
    model_logits(golden->model, golden->windows, n, 1, logits);
    assert_array_near("logits in training", entry(golden, "logits", "training"), logits, t * v);
    model_logits(golden->model, golden->windows, n, 0, logits);
    assert_array_near("logits in evaluation", entry(golden, "logits", "evaluation"), logits, t * v);
    free(logits);
}

static void check_gradients(struct golden *golden)
{
    struct model_stats stats;
    const struct params *params = model_params(golden->model);
    const char *key;
    json_t *value;
    size_t trained = 0, expected = 0;
    draw_batch(golden, 1);
    model_step(golden->model, golden->windows, 1, &stats);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        if (t->frozen)
            continue;
        assert_array_near(t->name, entry(golden, "gradients", t->name), params->grad + t->offset,
                          t->count);
        trained++;
    }
    json_object_foreach(golden->root, key, value) expected +=
        strncmp(key, "gradients ", strlen("gradients ")) == 0;
    assert_int_equal(trained, expected);
}

static void assert_evaluation(struct golden *golden, enum corpus_part part, int64_t step,
                              const json_t *expected)
{
    size_t n = data_eval_windows(golden->data, part), size = (size_t)golden->spec.train.batch_size;
    size_t width = (size_t)golden->spec.data.seq_len + 1;
    struct model_eval sum = { 0 };
    for (size_t first = 0; first < n; first += size) {
        struct model_eval eval;
        size_t rows = n - first < size ? n - first : size;
        for (size_t i = 0; i < rows; i++)
            data_eval_window(golden->data, part, first + i, golden->windows + i * width);
        model_evaluate(golden->model, golden->windows, (int64_t)rows, step, &eval);
        sum.nll += eval.nll;
        sum.correct += eval.correct;
        sum.targets += eval.targets;
    }
    double targets = (double)sum.targets;
    assert_near(corpus_part_names[part], step, expected, "loss", sum.nll / targets, tolerance);
    assert_near(corpus_part_names[part], step, expected, "accuracy", (double)sum.correct / targets,
                1e-12);
}

static void assert_moved(const struct golden *golden, const real *initial)
{
    const json_t *moved = entry(golden, "moved", "");
    const struct params *params = model_params(golden->model);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        double sum = 0;
        for (size_t k = t->offset; k < t->offset + t->count; k++) {
            double by = (double)params->value[k] - (double)initial[k];
            sum += by * by;
        }
        assert_near("moved", golden->spec.train.steps, moved, t->name, sqrt(sum), moved_tolerance);
    }
}

static void check_training(struct golden *golden)
{
    const json_t *steps = entry(golden, "steps", "");
    const json_t *evaluations = entry(golden, "evaluations", "");
    struct params *params = model_params(golden->model);
    real *initial = malloc(params->count * sizeof *initial);
    memcpy(initial, params->value, params->count * sizeof *initial);
    for (int64_t step = 1; step <= golden->spec.train.steps; step++) {
        const json_t *expected = json_array_get(steps, (size_t)step - 1);
        struct model_stats stats;
        struct optim_stats update;
        draw_batch(golden, step);
        model_step(golden->model, golden->windows, step, &stats);
        optim_step(&golden->spec.train, params, step, model_pool(golden->model), &update);
        assert_near("training's", step, expected, "loss", stats.loss, tolerance);
        assert_near("training's", step, expected, "balance", stats.balance, tolerance);
        assert_near("training's", step, expected, "kl", stats.kl, tolerance);
        assert_near("training's", step, expected, "imbalance", stats.imbalance, tolerance);
        assert_near("training's", step, expected, "lr", update.lr, 1e-12);
        assert_near("training's", step, expected, "grad_norm", update.grad_norm, tolerance);
        assert_evaluation(golden, CORPUS_VAL, step, json_array_get(evaluations, (size_t)step - 1));
    }
    assert_evaluation(golden, CORPUS_TEST, golden->spec.train.steps, entry(golden, "test", ""));
    assert_moved(golden, initial);
    free(initial);
}

static const struct aspect {
    const char *name;
    void (*check)(struct golden *golden);
} aspects[] = {
    { "spec", check_spec },     { "initial values", check_initial }, { "batches", check_batches },
    { "logits", check_logits }, { "gradients", check_gradients },    { "training", check_training },
};
enum { ASPECTS = sizeof aspects / sizeof aspects[0] };

struct pair {
    char name[128], golden[96];
    const struct aspect *aspect;
};

static void check_pair(void **state)
{
    const struct pair *pair = *state;
    struct golden golden;
    golden_open(&golden, pair->golden);
    pair->aspect->check(&golden);
    golden_close(&golden);
}

/* A corpus as import would store it, for text that needs no cleaning. */
static int store_corpus(const char *name)
{
    char path[128];
    char *text = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, FOLDER "%s.txt", name);
    FILE *in = fopen(path, "r");
    snprintf(path, sizeof path, "%s/%s", corpora_dir, name);
    if (in == NULL || mkdir(path, 0700) != 0 || getdelim(&text, &len, EOF, in) < 0)
        return -1;
    fclose(in);
    snprintf(path, sizeof path, "%s/%s/text", corpora_dir, name);
    FILE *out = fopen(path, "w");
    snprintf(path, sizeof path, "%s/%s/index", corpora_dir, name);
    FILE *index = fopen(path, "w");
    if (out == NULL || index == NULL)
        return -1;
    uint64_t end = 0;
    text[strlen(text) - 1] = '\0'; /* the last line's */
    for (char *next, *at = text; at != NULL; at = next) {
        next = strstr(at, "\n%\n");
        size_t bytes = next != NULL ? (size_t)(next - at) : strlen(at);
        if (next != NULL)
            next += strlen("\n%\n");
        end += bytes;
        fwrite(at, 1, bytes, out);
        for (int shift = 0; shift < 64; shift += 8)
            fputc((int)(end >> shift & 255), index);
    }
    free(text);
    return fclose(out) + fclose(index);
}

static int store_corpora(void **state)
{
    (void)state;
    int status = mkdtemp(corpora_dir) == NULL ? -1 : 0;
    for (size_t i = 0; i < CORPORA && status == 0; i++)
        status = store_corpus(corpora[i]);
    return status;
}

static int remove_corpora(void **state)
{
    (void)state;
    static const char *const files[] = { "/text", "/index", "" };
    char path[128];
    for (size_t i = 0; i < CORPORA; i++)
        for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
            snprintf(path, sizeof path, "%s/%s%s", corpora_dir, corpora[i], files[k]);
            remove(path);
        }
    return rmdir(corpora_dir);
}

int main(void)
{
    glob_t found;
    if (glob(FOLDER "*.json", 0, NULL, &found) != 0)
        return 1;
    struct pair *pairs = calloc(found.gl_pathc * ASPECTS, sizeof *pairs);
    struct CMUnitTest *tests = calloc(found.gl_pathc * ASPECTS, sizeof *tests);
    size_t n = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *name = found.gl_pathv[i] + strlen(FOLDER);
        if (strncmp(name, "initial-", strlen("initial-")) == 0)
            continue;
        for (size_t k = 0; k < ASPECTS; k++, n++) {
            struct pair *pair = &pairs[n];
            snprintf(pair->golden, sizeof pair->golden, "%.*s",
                     (int)(strlen(name) - strlen(".json")), name);
            snprintf(pair->name, sizeof pair->name, "%s: %s", pair->golden, aspects[k].name);
            pair->aspect = &aspects[k];
            tests[n] = (struct CMUnitTest){ pair->name, check_pair, NULL, NULL, pair };
        }
    }
    int failed = _cmocka_run_group_tests("golden", tests, n, store_corpora, remove_corpora);
    free(pairs);
    free(tests);
    globfree(&found);
    return failed;
}
