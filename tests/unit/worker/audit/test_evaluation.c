/* The audit of evaluation: on models of every kind and kernel, and on windows, sums and losses that
 * are wrong on purpose. */
#include "tests/unit/worker/models.h"
#include "worker/audit/evaluation.h"
#include "worker/audit/reference.h"

#include <math.h>

#define DSA "\"kind\":\"dsa\",\"indexer_heads\":2,\"indexer_dim\":8"

/* A model that is evaluated on a synthetic task. */
struct trial {
    struct run_spec spec;
    struct model *model;
    struct data *data;
    struct evaluation evaluation;
    int32_t *windows;
};

static void begin(struct trial *t, struct sketch sketch, enum dataset_kind kind)
{
    struct err err = { 0 };
    t->spec = spec_of(sketch);
    t->spec.data.kind = kind;
    t->spec.data.vocab = 200;
    t->spec.data.pairs = 4;
    t->spec.train.eval_windows = 7;
    t->model = model_of(&t->spec, 2);
    t->windows = windows_of(&t->spec, 1);
    assert_int_equal(data_new(&t->spec, NULL, &t->data, &err), 0);
    assert_int_equal(evaluation_new(t->data, &t->evaluation, &err), 0);
}

static void end(struct trial *t)
{
    evaluation_done(&t->evaluation);
    data_free(t->data);
    model_free(t->model);
    free(t->windows);
}

/* As train.c evaluates. shift: windows that many numbers on. */
static void evaluate(struct trial *t, size_t from, size_t to, size_t shift)
{
    size_t batch = (size_t)t->spec.train.batch_size, width = (size_t)t->spec.data.seq_len + 1;
    evaluation_begin(&t->evaluation, CORPUS_VAL);
    model_watch_evaluation(t->model, &(struct model_watch){ .by_window = t->evaluation.by_window });
    for (size_t i = from; i < to; i += batch) {
        struct model_eval found;
        size_t n = to - i < batch ? to - i : batch;
        for (size_t b = 0; b < n; b++)
            data_eval_window(t->data, CORPUS_VAL, i + b + shift, t->windows + b * width);
        model_evaluate(t->model, t->windows, (int64_t)n, 1, &found);
        evaluation_hand(&t->evaluation, CORPUS_VAL, i, t->windows, n);
        evaluation_note(&t->evaluation, i, t->windows, n, &found);
    }
    model_watch_evaluation(t->model, NULL);
}

static struct evaluation_formulas formulas_of(struct trial *t)
{
    struct evaluation_formulas found;
    struct err err;
    assert_int_equal(evaluation_formulas(&t->evaluation, t->model, &t->spec, 1, &found, &err), 0);
    return found;
}

static const struct sketch sketches[] = {
    { .attention = "\"kind\":\"dense\"", .model = ",\"dropout\":0.2,\"router_noise\":0.3" },
    { .attention = "\"kind\":\"dense\"",
      .model = ",\"dropout\":0.2,\"experts\":1,\"experts_per_token\":1,\"activation\":\"swiglu\","
               "\"tied\":false",
      .train = ",\"batch_size\":6,\"micro_batch_size\":2" },
    { .attention = DSA ",\"top_k\":9,\"indexer_rope\":true,\"indexer_norm\":true",
      .model = ",\"dropout\":0.2,\"init\":\"torch\",\"router_noise\":0.3" },
    { .attention = DSA ",\"top_k\":9,\"dense_warmup_steps\":5" }, /* dense still */
    { .attention = DSA ",\"top_k\":9,\"indexer_training\":\"frozen\",\"selection\":\"published\"" },
    { .attention = "\"kind\":\"window\",\"window\":5,\"sink\":2" },
    { .attention = "\"kind\":\"random_topk\",\"top_k\":9", .model = ",\"dropout\":0.2" },
    { .attention = "\"kind\":\"oracle_topk\",\"top_k\":9" },
    { .attention = "\"kind\":\"strided\",\"stride\":5,\"window\":4" },
    { .attention = "\"kind\":\"dense\"", .seq_len = 600, .layers = 1 },  /* flash */
    { .attention = DSA ",\"top_k\":100", .seq_len = 1024, .layers = 1 }, /* gather */
};
enum { SKETCHES = sizeof sketches / sizeof *sketches };

static void test_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < SKETCHES; i++) {
        struct trial t;
        struct evaluation_states found;
        struct err err;
        begin(&t, sketches[i], DATASET_UNIFORM);
        size_t n = (size_t)run_spec_micro_batch(&t.spec);
        assert_int_equal(evaluation_states(t.model, &t.spec, t.windows, n, 3, &found, &err), 0);
        assert_true(found.finite);
        if (found.differing > 0)
            fail_msg("%s: position %zu differs", sketches[i].attention, found.position);
        end(&t);
    }
}

/* Without dropout and noise means that: the states of training proper are others. */
static void test_bare_states_are_bare(void **state)
{
    (void)state;
    for (int noise = 0; noise < 2; noise++) {
        struct trial t;
        begin(&t,
              (struct sketch){ .attention = "\"kind\":\"random_topk\",\"top_k\":9",
                               .model = noise ? ",\"router_noise\":0.5,\"dropout\":0"
                                              : ",\"router_noise\":0,\"dropout\":0.1" },
              DATASET_UNIFORM);
        size_t n = 3 * 48 * 32;
        real *bare = malloc(n * sizeof *bare);
        assert_non_null(bare);
        memcpy(bare, model_bare_states(t.model, t.windows, 3, 1, true), n * sizeof *bare);
        assert_memory_not_equal(bare, model_states(t.model, t.windows, 3, 1), n * sizeof *bare);
        assert_memory_equal(bare, model_states(t.model, t.windows, 3, 0), n * sizeof *bare);
        free(bare);
        end(&t);
    }
}

static void test_formulas(void **state)
{
    (void)state;
    for (size_t i = 0; i < SKETCHES; i++)
        for (int task = 0; task < 2; task++) {
            struct trial t;
            begin(&t, sketches[i], task ? DATASET_MQAR : DATASET_UNIFORM);
            evaluate(&t, 0, 7, 0);
            struct evaluation_formulas found = formulas_of(&t);
            assert_true(found.again == t.evaluation.picked);
            assert_true(found.bound < 1e-4 * found.exact);
            if (!(fabs(t.evaluation.picked - found.exact) <= found.bound / 2))
                fail_msg("%s: %.9g, %.9g in double, bound %.2g", sketches[i].attention,
                         t.evaluation.picked, found.exact, found.bound);
            end(&t);
        }
}

/* A token that is another one is more than rounding explains; so is a weight that is off
 * by a thousandth. */
static void test_wrong_losses(void **state)
{
    (void)state;
    struct trial t;
    begin(&t, sketches[2], DATASET_UNIFORM);
    evaluate(&t, 0, 7, 0);
    int32_t *token = t.evaluation.kept + t.evaluation.row * 49 + 20;
    *token = (*token + 1) % 200;
    struct evaluation_formulas found = formulas_of(&t);
    assert_true(fabs(t.evaluation.picked - found.exact) > 10 * found.bound);
    assert_true(found.again != t.evaluation.picked);
    evaluate(&t, 0, 7, 0);
    const struct tensor *gain = params_find(model_params(t.model), "norm.weight");
    model_params(t.model)->value[gain->offset] *= (real)1.001;
    found = formulas_of(&t);
    assert_true(fabs(t.evaluation.picked - found.exact) > found.bound);
    end(&t);
}

static void test_windows_of_a_task(void **state)
{
    (void)state;
    struct trial t;
    begin(&t, sketches[0], DATASET_UNIFORM);
    const struct evaluation *e = &t.evaluation;
    const struct evaluation_windows *val = &e->windows[CORPUS_VAL];
    assert_int_equal(val->named, 7);
    evaluate(&t, 0, 7, 0);
    assert_int_equal(val->handed, 7);
    assert_int_equal(val->misplaced, 0);
    assert_int_equal(e->targets, 7 * 48);
    assert_true(e->nll > 0);
    evaluate(&t, 0, 7, 1);
    assert_int_equal(val->misplaced, 7);
    assert_int_equal(val->first, 0);
    evaluate(&t, 0, 9, 0);
    assert_int_equal(val->handed, 9);
    assert_int_equal(val->misplaced, 2);
    assert_int_equal(val->first, 7);
    evaluate(&t, 0, 5, 0);
    assert_int_equal(val->handed, 5);
    for (int part = CORPUS_VAL; part < CORPUS_PARTS; part++) { /* as the test's windows */
        evaluation_begin(&t.evaluation, CORPUS_TEST);
        for (size_t i = 0; i < 7; i++) {
            data_eval_window(t.data, (enum corpus_part)part, i, t.windows);
            evaluation_hand(&t.evaluation, CORPUS_TEST, i, t.windows, 1);
        }
        assert_int_equal(e->windows[CORPUS_TEST].handed, 7);
        assert_int_equal(e->windows[CORPUS_TEST].misplaced, part == CORPUS_TEST ? 0 : 7);
    }
    end(&t);
}

/* A stored corpus cut by hand: a part is tokens 60 … 119, or windows at starts of their own. */
static void check_stored(enum corpus_part part, uint32_t *starts, size_t n, int64_t asked)
{
    enum { TOKENS = 200, L = 8 };
    uint16_t tokens[TOKENS];
    int32_t window[L + 1];
    struct data data = { .split = { .tokens = tokens, .seq_len = L } };
    struct evaluation e;
    struct err err;
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (uint16_t)i;
    data.spec.data.kind = DATASET_STORED;
    data.spec.data.seq_len = L;
    data.spec.train.batch_size = 4;
    data.spec.train.eval_windows = asked;
    data.split.parts[CORPUS_VAL].windows = 1;
    data.split.parts[part].first = 60;
    data.split.parts[part].n = 60;
    data.split.parts[part].starts = starts;
    data.split.parts[part].windows = n;
    assert_int_equal(evaluation_new(&data, &e, &err), 0);
    const struct evaluation_windows *w = &e.windows[part];
    assert_int_equal(w->named, asked > 0 && (size_t)asked < n ? (size_t)asked : n);
    for (int32_t early = 0; early < 2; early++) {
        evaluation_begin(&e, part);
        for (size_t i = 0; i < w->named; i++) {
            data_eval_window(&data, part, i, window);
            for (size_t t = 0; t <= L; t++)
                window[t] -= early;
            evaluation_hand(&e, part, i, window, 1);
        }
        assert_int_equal(w->handed, w->named);
        assert_int_equal(w->misplaced, early ? w->named : 0);
        assert_in_range(e.pick, 0, e.windows[CORPUS_VAL].named - 1);
    }
    evaluation_done(&e);
}

static void test_windows_of_a_corpus(void **state)
{
    (void)state;
    uint32_t starts[] = { 1, 2, 17, 30, 41 };
    for (int part = CORPUS_VAL; part < CORPUS_PARTS; part++) {
        check_stored((enum corpus_part)part, NULL, 7, 0);
        check_stored((enum corpus_part)part, NULL, 7, 3);
        check_stored((enum corpus_part)part, NULL, 7, 9);
        check_stored((enum corpus_part)part, starts, 5, 0);
        check_stored((enum corpus_part)part, starts, 5, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_bare_states_are_bare),
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_wrong_losses),
        cmocka_unit_test(test_windows_of_a_task),
        cmocka_unit_test(test_windows_of_a_corpus),
    };
    return cmocka_run_group_tests_name("evaluation", tests, NULL, NULL);
}
