/* What the audit `finite` sees: every metric of a run, and every number that a checkpoint keeps. */
#include "tests/unit/worker/models.h"
#include "worker/ops/gemm.h"
#include "worker/train/finite.h"
#include "worker/train/train.h"

#include <ftw.h>
#include <math.h>
#include <unistd.h>

/* The audits that were said, as they come. */
struct said {
    json_t *audits;
};

static void take(void *arg, const char *line, size_t len)
{
    struct said *said = arg;
    json_t *event = NULL;
    assert_int_equal(jsonx_load(line, len, &event, NULL), 0);
    const char *name = json_string_value(json_object_get(event, "name"));
    if (name != NULL && strcmp(name, "finite") == 0)
        json_array_append(said->audits, event);
    json_decref(event);
}

static struct emit *listen_to(struct said *said)
{
    struct emit *emit = NULL;
    struct err err;
    said->audits = json_array();
    assert_int_equal(emit_new(&(struct emit_config){ .sink = take, .sink_arg = said }, &emit, &err),
                     0);
    return emit;
}

/* The one audit that was said. */
static void assert_said(struct said *said, const char *status, const char *detail)
{
    assert_int_equal(json_array_size(said->audits), 1);
    const json_t *audit = json_array_get(said->audits, 0);
    assert_string_equal(json_string_value(json_object_get(audit, "detail")), detail);
    assert_string_equal(json_string_value(json_object_get(audit, "status")), status);
}

static const char *evidence(const struct said *said, const char *key)
{
    const json_t *audit = json_array_get(said->audits, 0);
    return json_string_value(json_object_get(json_object_get(audit, "evidence"), key));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void train(const char *rest, struct said *said)
{
    char text[700], out[] = "/tmp/ablate-test-XXXXXX";
    struct train_config config = { .out = out, .threads = 1 };
    enum train_end end;
    struct err err;
    json_t *json = NULL;
    assert_non_null(mkdtemp(out));
    snprintf(text, sizeof text,
             "{\"data\":{\"dataset\":\"synthetic:uniform\",\"vocab\":32,\"seq_len\":16},"
             "\"model\":{\"layers\":1,\"heads\":2,\"d_model\":16,\"d_ff\":16,\"attention\":"
             "{\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":2,\"indexer_dim\":8}},"
             "\"train\":{\"batch_size\":2,\"eval_windows\":2,\"optimizer\":\"adamw\",%s},"
             "\"seed\":1}",
             rest);
    assert_int_equal(jsonx_load(text, strlen(text), &json, &err), 0);
    assert_int_equal(run_spec_decode(json, "", &config.spec, &err), 0);
    json_decref(json);
    config.emit = listen_to(said);
    assert_int_equal(train_run(&config, &end, &err), 0);
    assert_int_equal(end, TRAIN_FINISHED);
    emit_free(config.emit, 0);
    nftw(out, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Its losses are numbers, to the end; the gradient and the indexer's loss aren't. */
static void test_a_metric_beside_the_loss(void **state)
{
    (void)state;
    struct said said;
    train("\"steps\":6,\"lr\":10,\"weight_decay\":10", &said);
    assert_said(&said, "fail", "train/grad_norm is not finite at step 6");
    assert_string_equal(evidence(&said, "metric"), "train/grad_norm");
    assert_string_equal(evidence(&said, "value"), "nan");
    json_decref(said.audits);
}

static void test_a_sound_run(void **state)
{
    (void)state;
    struct said said;
    train("\"steps\":6,\"checkpoint_every\":2", &said);
    assert_said(&said, "pass",
                "every metric, and every parameter at each checkpoint, was a finite number");
    const json_t *evidence = json_object_get(json_array_get(said.audits, 0), "evidence");
    assert_int_equal(json_integer_value(json_object_get(evidence, "steps")), 6);
    assert_int_equal(json_integer_value(json_object_get(evidence, "checkpoints")), 3);
    json_decref(said.audits);
}

/* One number of a tensor in the middle, in what is learned or in what the optimiser keeps. */
static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *part, *detail;
        double value;
    } cases[] = {
        { "value", "norm.weight: 1 of its 32 numbers are not finite at step 40", NAN },
        { "m", "norm.weight's moment m: 1 of its 32 numbers are not finite at step 40", -INFINITY },
        { "v", "norm.weight's moment v: 1 of its 32 numbers are not finite at step 40", INFINITY },
    };
    const struct run_spec spec =
        spec_of((struct sketch){ .attention = "\"kind\":\"dense\"", .layers = 1 });
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct params params;
        struct said said;
        struct err err;
        assert_int_equal(params_new(&spec, &params, &err), 0);
        real *const parts[] = { params.value, params.moments[0], params.moments[1] };
        struct finite finite = { .emit = listen_to(&said) };
        finite_parameters(&finite, &params, 20);
        assert_int_equal(json_array_size(said.audits), 0);
        const struct tensor *tensor = params_find(&params, "norm.weight");
        assert_non_null(tensor);
        parts[i][tensor->offset + 17] = (real)cases[i].value;
        finite_parameters(&finite, &params, 20); /* that step was looked at */
        assert_int_equal(json_array_size(said.audits), 0);
        finite_parameters(&finite, &params, 40);
        finite_parameters(&finite, &params, 60);
        finite_metric(&finite, "train/loss", 60, NAN);
        finite_end(&finite, 0, 60);
        assert_said(&said, "fail", cases[i].detail);
        assert_string_equal(evidence(&said, "tensor"), "norm.weight");
        assert_string_equal(evidence(&said, "part"), cases[i].part);
        emit_free(finite.emit, 0);
        json_decref(said.audits);
        params_done(&params);
    }
}

static void test_an_attempt_that_resumed(void **state)
{
    (void)state;
    struct said said;
    struct finite finite = { .emit = listen_to(&said) };
    finite_end(&finite, 200, 1000);
    assert_said(&said, "pass",
                "every metric, and every parameter at each checkpoint, was a finite number from "
                "step 201 on");
    emit_free(finite.emit, 0);
    json_decref(said.audits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_metric_beside_the_loss),
        cmocka_unit_test(test_a_sound_run),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_an_attempt_that_resumed),
    };
    struct err err;
    if (gemm_init(1, &err) != 0)
        return 1;
    return cmocka_run_group_tests_name("finite", tests, NULL, NULL);
}
