/* The audit of updates: on optimisers, schedules and micro-batches, and on steps that are wrong on
 * purpose. */
#include "tests/unit/worker/models.h"
#include "worker/audit/training/update.h"

#include <math.h>

#define DSA "\"kind\":\"dsa\",\"indexer_heads\":2,\"indexer_dim\":8,\"top_k\":9"

/* What is done in the place of what the specification says. */
struct wrong {
    double lr, decay, clip, gradient, beta; /* factors; 0: 1 */
    int64_t left_out, twice;                /* a step */
    const char *nudged;                     /* a tensor whose last number moves by 2^-16 of it */
};

static double factor(double by)
{
    return by > 0 ? by : 1;
}

static void step_of(struct update *x, struct model *model, const struct run_spec *spec,
                    int64_t step, const struct wrong *w)
{
    struct params *params = model_params(model);
    struct spec_train train = spec->train;
    struct model_stats stats;
    struct optim_stats optim = { 0 };
    int32_t *windows = windows_of(spec, (uint64_t)step);
    train.lr *= factor(w->lr);
    train.weight_decay *= factor(w->decay);
    train.grad_clip *= factor(w->clip);
    train.betas[1] *= factor(w->beta);
    update_begin(x, model, windows, step);
    model_step(model, windows, step, &stats);
    for (size_t i = 0; i < params->count; i++)
        params->grad[i] *= (real)factor(w->gradient);
    update_note(x, step);
    for (int i = 0; i < 1 + (step == w->twice) - (step == w->left_out); i++)
        optim_step(&train, params, step, model_pool(model), &optim);
    if (w->nudged != NULL) {
        const struct tensor *t = params_find(params, w->nudged);
        params->value[t->offset + t->count - 1] *= 1 + (real)0x1p-16;
    }
    update_check(x, step, &optim);
    free(windows);
}

static struct update trained_of(struct sketch sketch, int64_t steps, struct wrong wrong)
{
    struct run_spec spec = spec_of(sketch);
    struct model *model = model_of(&spec, 2);
    struct update x;
    struct err err;
    spec.train.steps = steps;
    assert_int_equal(update_new(&spec, model_params(model), &x, &err), 0);
    for (int64_t step = 1; step <= steps; step++)
        step_of(&x, model, &spec, step, &wrong);
    assert_true(x.done);
    assert_int_equal(x.steps, steps);
    update_done(&x);
    model_free(model);
    return x; /* the figures */
}

static struct update trained(const char *train, const char *attention, int64_t steps,
                             struct wrong wrong)
{
    return trained_of((struct sketch){ .attention = attention,
                                       .model = ",\"dropout\":0.1,\"tied\":false",
                                       .train = train,
                                       .seq_len = 24,
                                       .seed = 3 },
                      steps, wrong);
}

static const char *const optimisers[] = {
    ",\"batch_size\":3",
    ",\"batch_size\":6,\"micro_batch_size\":2", /* thirds, which aren't exact */
    ",\"batch_size\":4,\"micro_batch_size\":1,\"optimizer\":\"adamw\",\"weight_decay\":0.1,"
    "\"grad_clip\":0.5,\"schedule\":\"cosine\",\"warmup_steps\":3,\"betas\":[0.9,0.95]",
    ",\"batch_size\":3,\"optimizer\":\"adamw\",\"weight_decay\":0.1,\"schedule\":\"linear\","
    "\"min_lr_ratio\":0",
    ",\"batch_size\":6,\"micro_batch_size\":3,\"optimizer\":\"sgd\",\"lr\":0.1,"
    "\"weight_decay\":0.01,\"grad_clip\":1,\"momentum\":0.8",
};
enum { OPTIMISERS = sizeof optimisers / sizeof *optimisers };

static void test_sound_steps(void **state)
{
    (void)state;
    static const char *const attentions[] = { "\"kind\":\"dense\"", DSA,
                                              DSA ",\"indexer_training\":\"frozen\"",
                                              DSA ",\"kl_weight\":0",
                                              DSA ",\"dense_warmup_steps\":5,"
                                                  "\"indexer_only_steps\":3" };
    for (size_t i = 0; i < OPTIMISERS; i++)
        for (size_t k = 0; k < sizeof attentions / sizeof *attentions; k++)
            for (int64_t steps = 1; steps <= 7; steps += 6) {
                struct update x = trained(optimisers[i], attentions[k], steps, (struct wrong){ 0 });
                if (x.worst.off > 0.8 || x.parts.off > 0.2 || x.updates != steps || !x.finite)
                    fail_msg("%s, %s: %.2f (%s: %.9g, %.9g), parts %.2g, %lld updates",
                             optimisers[i], attentions[k], x.worst.off, x.worst.what, x.worst.got,
                             x.worst.expected, x.parts.off, (long long)x.updates);
                assert_int_equal(x.step, steps / 2 + 1);
            }
}

static void test_wrong_steps(void **state)
{
    (void)state;
    static const struct wrong wrongs[] = {
        { .lr = 2 },
        { .lr = 1.001 },
        { .decay = 2 },
        { .clip = 1.5 },
        { .beta = 1.0001 },
        { .nudged = "norm.weight" },
        { .nudged = "embed.weight" },
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        struct update x = trained(optimisers[2], DSA, 7, wrongs[i]);
        if (!(x.worst.off > 1))
            fail_msg("number %zu: %.2f", i, x.worst.off);
        assert_true(x.parts.off < 1);
        if (wrongs[i].nudged == NULL)
            assert_int_equal(x.updates, 0);
    }
    struct update x = trained(optimisers[4], DSA, 7, (struct wrong){ .lr = 2 });
    assert_true(x.worst.off > 1);
    x = trained(optimisers[4], DSA, 7, (struct wrong){ .decay = 2 });
    assert_true(x.worst.off > 1);
}

/* The step that is looked at whole is another one. */
static void test_steps_that_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIMISERS; i++) {
        struct update x = trained(optimisers[i], DSA, 7, (struct wrong){ .left_out = 3 });
        assert_true(x.worst.off <= 1);
        assert_int_equal(x.updates, 6);
        assert_int_equal(x.otherwise, 3);
        x = trained(optimisers[i], DSA, 7, (struct wrong){ .twice = 6 });
        assert_int_equal(x.updates, 6);
        assert_int_equal(x.otherwise, 6);
    }
}

static void test_gradients_out_of_proportion(void **state)
{
    (void)state;
    struct update x = trained(optimisers[1], DSA, 7, (struct wrong){ .gradient = 3 });
    assert_int_equal(x.micro_batches, 3);
    assert_true(x.parts.off > 1);
    assert_true(x.worst.off <= 1); /* of that gradient the step is right */
    assert_true(trained(optimisers[1], DSA, 7, (struct wrong){ .gradient = 1.01 }).parts.off > 1);
}

/* A router whose noise decides: of what the experts' weights depend on there is next to no gradient,
 * the difference of numbers that were rounded. */
static void test_gradients_that_vanish(void **state)
{
    (void)state;
    double worst = 0;
    for (int64_t seed = 0; seed < 20; seed++) {
        struct sketch sketch = { .attention = "\"kind\":\"dense\"",
                                 .model = ",\"router_noise\":100,\"dropout\":0.9",
                                 .train = optimisers[1],
                                 .seq_len = 3,
                                 .seed = seed };
        struct update x = trained_of(sketch, 3, (struct wrong){ 0 });
        worst = fmax(worst, x.parts.off);
        x = trained_of(sketch, 3, (struct wrong){ .gradient = 1.01 });
        assert_true(x.parts.off > 1);
    }
    if (worst > 0.5)
        fail_msg("%.2g bounds", worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_steps),
        cmocka_unit_test(test_wrong_steps),
        cmocka_unit_test(test_steps_that_are_counted),
        cmocka_unit_test(test_gradients_out_of_proportion),
        cmocka_unit_test(test_gradients_that_vanish),
    };
    return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
