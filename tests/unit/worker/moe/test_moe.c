/* The mixture of experts against schema/numerics.md §1 written out in double: routing, weights,
 * noise, the balance loss, and experts that nobody visits. */
#include "common/philox.h"
#include "tests/unit/worker/models.h"
#include "worker/base/arena.h"
#include "worker/moe/moe.h"
#include "worker/ops/gemm.h"
#include "worker/optim/optim.h"

#include <math.h>

enum { B = 3, T = 48, C = 32, F = 48, N = B * T, E_MAX = 8 };

struct fixture {
    struct run_spec spec;
    struct params params;
    struct pool *pool;
    struct arena arena;
    struct moe_shared shared;
    struct moe moe;
    struct batch_pass pass;
    struct moe_stats stats;
    real *x, *out;
};

static void build(struct fixture *f, const char *model, uint64_t step)
{
    struct err err;
    memset(f, 0, sizeof *f);
    f->spec = spec_of((struct sketch){ .attention = "\"kind\":\"dense\"", .model = model });
    assert_int_equal(gemm_init(2, &err), 0);
    assert_int_equal(params_new(&f->spec, &f->params, &err), 0);
    assert_int_equal(pool_new(2, &f->pool, &err), 0);
    for (int pass = 0; pass < 2; pass++) {
        moe_shared_layout(&f->shared, &f->arena, &f->spec, B, 2);
        moe_layout(&f->moe, &f->arena, &f->shared, &f->spec, &f->params, 1, B);
        f->x = arena_take(&f->arena, N * C, sizeof(real));
        f->out = arena_take(&f->arena, N * C, sizeof(real));
        if (pass == 0)
            assert_int_equal(arena_build(&f->arena, &err), 0);
    }
    const struct philox stream = philox_stream(3, "data", "x");
    for (size_t i = 0; i < N * C; i++)
        f->x[i] = (real)philox_normal(&stream, 0, i);
    f->pass = (struct batch_pass){ .spec = &f->spec, .pool = f->pool, .batch = B, .step = step };
}

static void tear_down(struct fixture *f)
{
    pool_free(f->pool);
    params_done(&f->params);
    arena_done(&f->arena);
}

static const real *weight(const struct fixture *f, const char *name)
{
    char full[80];
    snprintf(full, sizeof full, "blocks.1.moe.%s", name);
    return f->params.value + params_find(&f->params, full)->offset;
}

static double project(const real *x, const real *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)w[i];
    return sum;
}

/* g of a token, with noise. */
static void gate(const struct fixture *f, size_t n, double *g)
{
    const struct philox noise = philox_stream(f->spec.seed, "router", "blocks.1");
    size_t e_n = f->moe.e;
    for (size_t e = 0; e < e_n; e++) {
        g[e] = project(f->x + n * C, weight(f, "gate.weight") + e * C, C);
        if (f->pass.step > 0)
            g[e] += f->spec.model.router_noise * philox_normal(&noise, f->pass.step, n * e_n + e);
    }
}

static void expert(const struct fixture *f, size_t n, size_t e, double by, double *out)
{
    const struct philox stream = philox_stream(f->spec.seed, "dropout", "blocks.1.moe.hidden");
    char name[40];
    double h[F];
    snprintf(name, sizeof name, "experts.%zu.w1.weight", e);
    const real *w1 = weight(f, name);
    snprintf(name, sizeof name, "experts.%zu.w2.weight", e);
    const real *w2 = weight(f, name);
    snprintf(name, sizeof name, "experts.%zu.w3.weight", e);
    const real *w3 = f->moe.gated ? weight(f, name) : NULL;
    for (size_t i = 0; i < F; i++) {
        double v = project(f->x + n * C, w1 + i * C, C);
        h[i] = v / (1 + exp(-v));
        if (w3 != NULL)
            h[i] *= project(f->x + n * C, w3 + i * C, C);
        if (f->pass.step > 0) {
            uint32_t word = philox_word(&stream, f->pass.step, (n * f->moe.e + e) * F + i);
            h[i] *= word >> 8 >= 1677722 ? (double)(float)(1 / 0.9) : 0;
        }
    }
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < F; i++)
            out[c] += by * h[i] * (double)w2[c * F + i];
}

static void check(const char *model, uint64_t step)
{
    struct fixture f;
    build(&f, model, step);
    moe_forward(&f.moe, &f.pass, f.x, f.out, &f.stats);
    double visits[E_MAX] = { 0 }, mass[E_MAX] = { 0 }, balance = 0, most = 0;
    for (size_t n = 0; n < N; n++) {
        double g[E_MAX], sum = 0, all = 0, out[C] = { 0 };
        bool chosen[E_MAX] = { false };
        gate(&f, n, g);
        for (size_t k = 0; k < f.moe.k; k++) {
            size_t best = E_MAX;
            for (size_t e = 0; e < f.moe.e; e++)
                if (!chosen[e] && (best == E_MAX || g[e] > g[best]))
                    best = e;
            chosen[best] = true;
            sum += exp(g[best]);
            visits[best]++;
        }
        for (size_t e = 0; e < f.moe.e; e++)
            all += exp(g[e]);
        for (size_t e = 0; e < f.moe.e; e++) {
            mass[e] += exp(g[e]) / all;
            if (chosen[e])
                expert(&f, n, e, exp(g[e]) / sum, out);
        }
        for (size_t c = 0; c < C; c++)
            if (!(fabs((double)f.out[n * C + c] - out[c]) < 2e-5))
                fail_msg("[%zu,%zu]: %g, not %g", n, c, (double)f.out[n * C + c], out[c]);
    }
    for (size_t e = 0; e < f.moe.e; e++) {
        double share = visits[e] / (double)(N * f.moe.k);
        balance += (double)f.moe.e * share * mass[e] / N;
        most = fmax(most, share);
    }
    assert_true(fabs(f.stats.balance - balance) < 1e-6);
    assert_true(fabs(f.stats.imbalance - most * (double)f.moe.e) < 1e-12);
    tear_down(&f);
}

static void test_mixture(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 4; step += 3) {
        check(",\"init\":\"torch\",\"router_noise\":0.3", step);
        check(",\"init\":\"torch\",\"experts\":8,\"experts_per_token\":3", step);
        check(",\"init\":\"torch\",\"experts\":2,\"experts_per_token\":1", step);
        check(",\"init\":\"torch\",\"experts\":5,\"experts_per_token\":5", step);
        check(",\"init\":\"torch\",\"activation\":\"swiglu\"", step);
    }
}

static void test_one_expert_needs_no_router(void **state)
{
    (void)state;
    static const char *const activations[] = { "silu", "swiglu" };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        char model[120];
        snprintf(model, sizeof model,
                 ",\"init\":\"torch\",\"experts\":1,\"experts_per_token\":1,\"activation\":\"%s\"",
                 activations[i]);
        build(&f, model, 2);
        moe_forward(&f.moe, &f.pass, f.x, f.out, &f.stats);
        assert_null(params_find(&f.params, "blocks.1.moe.gate.weight"));
        assert_true(f.stats.balance == 0 && f.stats.imbalance == 1);
        for (size_t n = 0; n < N; n += 7) {
            double out[C] = { 0 };
            expert(&f, n, 0, 1, out);
            for (size_t c = 0; c < C; c++)
                assert_true(fabs((double)f.out[n * C + c] - out[c]) < 2e-5);
        }
        tear_down(&f);
    }
}

/* A gate of zeros: every expert scores alike, the lowest indices win, the others get nothing. */
static void test_ties_and_experts_without_tokens(void **state)
{
    (void)state;
    struct run_spec spec =
        spec_of((struct sketch){ .attention = "\"kind\":\"dense\"",
                                 .model = ",\"router_noise\":0,\"balance_weight\":0.5",
                                 .train = NULL,
                                 .seed = 1 });
    struct model *model = model_of(&spec, 2);
    struct params *p = model_params(model);
    struct model_stats stats;
    struct optim_stats update;
    int32_t *windows = windows_of(&spec, 1);
    for (int layer = 0; layer < 2; layer++) {
        char name[80];
        snprintf(name, sizeof name, "blocks.%d.moe.gate.weight", layer);
        const struct tensor *gates = params_find(p, name);
        memset(p->value + gates->offset, 0, gates->count * sizeof(real));
    }
    const struct tensor *visited = params_find(p, "blocks.0.moe.experts.1.w1.weight");
    const struct tensor *idle = params_find(p, "blocks.0.moe.experts.2.w1.weight");
    real before = p->value[idle->offset];
    p->moments[0][idle->offset] = 1; /* momentum from when it had tokens */
    model_step(model, windows, 1, &stats);
    assert_true(fabs(stats.balance - 2) < 1e-6); /* a layer: 4·(½·¼ + ½·¼) */
    assert_true(fabs(stats.imbalance - 2) < 1e-9);
    double most = 0;
    for (size_t i = 0; i < visited->count; i++)
        most = fmax(most, fabs((double)p->grad[visited->offset + i]));
    assert_true(most > 0);
    for (size_t i = 0; i < idle->count; i++)
        assert_true(p->grad[idle->offset + i] == 0);
    optim_step(&spec.train, p, 1, model_pool(model), &update);
    assert_true(p->value[idle->offset] != before);
    free(windows);
    model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixture),
        cmocka_unit_test(test_one_expert_needs_no_router),
        cmocka_unit_test(test_ties_and_experts_without_tokens),
    };
    return cmocka_run_group_tests_name("moe", tests, NULL, NULL);
}
