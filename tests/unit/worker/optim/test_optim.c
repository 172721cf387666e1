/* The optimiser against its formulas in double, element by element. */
#include "tests/unit/worker/models.h"
#include "worker/optim/optim.h"

#include <math.h>

enum { STEPS = 6 };

static real slope(size_t i, int64_t step)
{
    return (real)(sin((double)i * 0.37 + (double)step) * (i % 5 == 0 ? 1e-6 : 0.01));
}

static bool starts(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* What schema/numerics.md §5 says decays: matrices, but no embedding. */
static bool decays(const struct tensor *t)
{
    return t->shape[1] > 0 && !starts(t->name, "embed");
}

struct memory {
    double *p, *m, *v;
};

static void expect(const struct run_spec *spec, const struct params *params, struct memory *e,
                   int64_t step, const double norms[PARAM_GROUPS])
{
    const struct spec_train *train = &spec->train;
    double b1 = train->betas[0], b2 = train->betas[1], lr = optim_lr(train, step);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        double clip =
            train->grad_clip > 0 ? fmin(1, train->grad_clip / (norms[t->group] + 1e-6)) : 1;
        for (size_t k = t->offset; k < t->offset + t->count && !t->frozen; k++) {
            double g = (double)slope(k, step) * clip;
            if (decays(t)) /* by 0 of adam */
                e->p[k] *= 1 - lr * train->weight_decay;
            if (train->optimizer == OPTIMIZER_SGD) {
                e->m[k] = train->momentum * e->m[k] + g;
                e->p[k] -= lr * e->m[k];
                continue;
            }
            e->m[k] = b1 * e->m[k] + (1 - b1) * g;
            e->v[k] = b2 * e->v[k] + (1 - b2) * g * g;
            e->p[k] -= lr / (1 - pow(b1, (double)step)) * e->m[k] /
                       (sqrt(e->v[k]) / sqrt(1 - pow(b2, (double)step)) + train->eps);
        }
    }
}

static void check(const char *attention, const char *train, int threads)
{
    struct run_spec spec = spec_of((struct sketch){
        .attention = attention, .model = ",\"tied\":false", .train = train, .seed = 3 });
    struct model *model = model_of(&spec, threads);
    struct params *params = model_params(model);
    struct memory e = { calloc(params->count, sizeof(double)),
                        calloc(params->count, sizeof(double)),
                        calloc(params->count, sizeof(double)) };
    for (size_t i = 0; i < params->count; i++)
        e.p[i] = (double)params->value[i];
    for (int64_t step = 1; step <= STEPS; step++) {
        struct optim_stats stats;
        double sums[PARAM_GROUPS] = { 0 }, norms[PARAM_GROUPS];
        for (size_t i = 0; i < params->n; i++) {
            const struct tensor *t = &params->tensors[i];
            for (size_t k = t->offset; k < t->offset + t->count; k++) {
                params->grad[k] = slope(k, step);
                sums[t->group] += t->frozen ? 0 : pow((double)params->grad[k], 2);
            }
        }
        for (int g = 0; g < PARAM_GROUPS; g++)
            norms[g] = sqrt(sums[g]);
        expect(&spec, params, &e, step, norms);
        optim_step(&spec.train, params, step, model_pool(model), &stats);
        assert_true(fabs(stats.grad_norm - sqrt(sums[0] + sums[1])) < 1e-9 * stats.grad_norm);
        assert_true(stats.lr == optim_lr(&spec.train, step));
    }
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        for (size_t k = t->offset; k < t->offset + t->count; k++)
            if (fabs((double)params->value[k] - e.p[k]) > 1e-6 + 1e-6 * fabs(e.p[k]))
                fail_msg("%s[%zu]: %.9g instead of %.9g", t->name, k - t->offset,
                         (double)params->value[k], e.p[k]);
    }
    free(e.p);
    free(e.m);
    free(e.v);
    model_free(model);
}

static void test_adam(void **state)
{
    (void)state;
    check("\"kind\":\"dense\"", ",\"lr\":0.01", 1);
}

static void test_adamw_decays_matrices_only(void **state)
{
    (void)state;
    check("\"kind\":\"dense\"",
          ",\"optimizer\":\"adamw\",\"weight_decay\":5,\"betas\":[0.9,0.95],\"lr\":0.01", 2);
}

/* Adam's step is of the size of lr, however small the gradients; where their squares underflow,
 * nothing is divided by nothing, nor a number by one that is left of it. */
static void test_small_gradients_move_no_farther(void **state)
{
    (void)state;
    static const double sizes[] = { 0, 1e-44, 1e-30, 1e-24, 3e-23, 1e-22, 1e-20, 1e-10 };
    static const double eps[] = { 1e-300, 1e-44, 1e-30, 1e-20, 1e-12, 1e-8 };
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (size_t e = 0; e < sizeof eps / sizeof *eps; e++) {
        struct run_spec spec = spec_of((struct sketch){
            .attention = "\"kind\":\"dense\"", .train = ",\"lr\":0.01", .seed = 3 });
        struct model *model = model_of(&spec, 1);
        struct params *params = model_params(model);
        real *before = malloc(params->count * sizeof *before);
        memcpy(before, params->value, params->count * sizeof *before);
        spec.train.eps = eps[e];
        for (int64_t step = 1; step <= STEPS; step++) {
            struct optim_stats stats;
            for (size_t i = 0; i < params->count; i++)
                params->grad[i] = (real)((i % 3 == 0 ? -1 : 1) * sizes[i % SIZES]);
            optim_step(&spec.train, params, step, model_pool(model), &stats);
        }
        for (size_t i = 0; i < params->count; i++) {
            double moved = fabs((double)params->value[i] - (double)before[i]);
            double most = sizes[i % SIZES] > 0 ? 0.01 * STEPS * 4 : 0;
            if (!(moved <= most))
                fail_msg("a gradient of %g moved a number by %g with eps %g", sizes[i % SIZES],
                         moved, eps[e]);
        }
        free(before);
        model_free(model);
    }
}

static void test_sgd(void **state)
{
    (void)state;
    check("\"kind\":\"dense\"", ",\"optimizer\":\"sgd\",\"lr\":0.1", 1);
    check("\"kind\":\"dense\"",
          ",\"optimizer\":\"sgd\",\"momentum\":0.5,\"weight_decay\":2,\"lr\":0.1,\"grad_clip\":0.1",
          2);
}

static void test_groups_are_clipped_apart(void **state)
{
    (void)state;
    check("\"kind\":\"dsa\",\"indexer_dim\":8,\"indexer_norm\":true",
          ",\"grad_clip\":0.05,\"lr\":0.01,\"eps\":0.001", 3);
}

static void test_frozen_tensors_stay(void **state)
{
    (void)state;
    check("\"kind\":\"dsa\",\"indexer_dim\":8,\"indexer_training\":\"frozen\"",
          ",\"grad_clip\":0.05,\"lr\":0.01", 1);
}

static void test_schedules(void **state)
{
    (void)state;
    const struct spec_train base = {
        .steps = 110, .lr = 2, .warmup_steps = 10, .min_lr_ratio = 0.1
    };
    struct spec_train train = base;
    const double half = 1.1 / 2;
    const struct {
        int schedule;
        double at_60, at_end;
    } rows[] = { { SCHEDULE_CONSTANT, 1, 1 },
                 { SCHEDULE_COSINE, half, 0.1 },
                 { SCHEDULE_LINEAR, half, 0.1 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        train.schedule = rows[i].schedule;
        assert_true(fabs(optim_lr(&train, 1) - 0.2) < 1e-12);
        assert_true(fabs(optim_lr(&train, 10) - 2) < 1e-12);
        assert_true(fabs(optim_lr(&train, 60) - 2 * rows[i].at_60) < 1e-12);
        assert_true(fabs(optim_lr(&train, 110) - 2 * rows[i].at_end) < 1e-12);
    }
    /* cosine isn't linear: a quarter of the way */
    train.schedule = SCHEDULE_COSINE;
    assert_true(fabs(optim_lr(&train, 35) - 2 * (0.1 + 0.9 * (1 + sqrt(0.5)) / 2)) < 1e-12);
    train.warmup_steps = 110; /* all of it */
    assert_true(fabs(optim_lr(&train, 55) - 1) < 1e-12);
    train.warmup_steps = 0;
    train.schedule = SCHEDULE_CONSTANT;
    assert_true(optim_lr(&train, 1) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_small_gradients_move_no_farther),
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_adamw_decays_matrices_only),
        cmocka_unit_test(test_groups_are_clipped_apart),
        cmocka_unit_test(test_frozen_tensors_stay),
        cmocka_unit_test(test_schedules),
    };
    return cmocka_run_group_tests_name("optim", tests, NULL, NULL);
}
