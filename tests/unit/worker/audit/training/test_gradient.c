/* gradient and detached on sound models of every kind and kernel, and on gradients that are wrong on
 * purpose. */
#include "tests/unit/worker/models.h"
#include "worker/audit/training/detached.h"
#include "worker/audit/training/gradient.h"
#include "worker/optim/optim.h"

#include <math.h>

#define DSA   "\"kind\":\"dsa\",\"indexer_heads\":2,\"indexer_dim\":8"
#define NOISY ",\"dropout\":0.1,\"router_noise\":0.1"
#define TORCH NOISY ",\"init\":\"torch\""

/* A model after some steps, and the gradient of the next. */
struct subject {
    struct run_spec spec;
    struct model *model;
    int32_t *windows;
    int64_t step;
};

static struct subject subject_of(struct sketch sketch, int64_t steps)
{
    struct subject s = { .spec = spec_of(sketch), .step = steps + 1 };
    struct model_stats stats;
    s.model = model_of(&s.spec, 2);
    s.windows = windows_of(&s.spec, 1);
    for (int64_t step = 1; step <= steps; step++) {
        struct optim_stats optim;
        model_step(s.model, s.windows, step, &stats);
        optim_step(&s.spec.train, model_params(s.model), step, model_pool(s.model), &optim);
    }
    model_step(s.model, s.windows, s.step, &stats);
    return s;
}

static void done(struct subject *s)
{
    free(s->windows);
    model_free(s->model);
}

static struct gradient measure(struct subject *s)
{
    struct gradient found;
    struct err err;
    char before[DIGEST_HEX], after[DIGEST_HEX];
    params_digest(model_params(s->model), before);
    assert_int_equal(
        gradient_measure(s->model, &s->spec, s->windows, s->step, NULL, NULL, &found, &err), 0);
    params_digest(model_params(s->model), after);
    assert_string_equal(before, after);
    assert_true(found.finite);
    return found;
}

static const struct {
    struct sketch sketch;
    int64_t steps;
} sound[] = {
    { { .attention = "\"kind\":\"dense\"", .model = NOISY }, 0 },
    { { .attention = "\"kind\":\"dense\"", .model = TORCH ",\"activation\":\"swiglu\"" }, 12 },
    { { .attention = DSA ",\"top_k\":9,\"indexer_norm\":true,\"indexer_rope\":true",
        .model = NOISY,
        .train = ",\"batch_size\":4,\"micro_batch_size\":2" },
      12 },
    { { .attention = DSA ",\"top_k\":9,\"dense_warmup_steps\":20", .model = TORCH }, 12 },
    { { .attention = DSA ",\"top_k\":9", .model = TORCH }, 12 },
    { { .attention = "\"kind\":\"window\",\"window\":9", .model = NOISY ",\"tied\":false" }, 12 },
    { { .attention = "\"kind\":\"random_topk\",\"top_k\":9", .model = NOISY }, 3 },
    { { .attention = "\"kind\":\"oracle_topk\",\"top_k\":9", .model = TORCH }, 3 },
    { { .attention = "\"kind\":\"strided\",\"stride\":5,\"window\":4", .model = NOISY }, 3 },
    { { .attention = DSA ",\"top_k\":200", /* flash */
        .model = NOISY,
        .train = ",\"batch_size\":2",
        .seq_len = 700 },
      3 },
    { { .attention = DSA ",\"top_k\":100", /* gather */
        .model = TORCH,
        .train = ",\"batch_size\":1",
        .seq_len = 1024 },
      3 },
};

static void test_sound_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        struct subject s = subject_of(sound[i].sketch, sound[i].steps);
        struct gradient found = measure(&s);
        for (int g = 0; g < GRADIENT_GROUPS; g++) {
            const struct gradient_found *f = &found.groups[g];
            if (found.wrong > 0 || f->worst > f->bound)
                fail_msg("%s: %s: the loss changes by %g, not %g; bound %g",
                         sound[i].sketch.attention, gradient_groups[g], f->got, f->wanted,
                         f->bound);
        }
        assert_true(found.groups[GRADIENT_OUTER].blind == 0);
        assert_int_equal(found.groups[GRADIENT_INDEXER].parts > 0,
                         strstr(sound[i].sketch.attention, "dsa") != NULL);
        done(&s);
    }
}

/* Every tensor, q, k and v apart, that isn't blind: an error of 1 % is found. */
static void test_one_per_cent_of_each_tensor(void **state)
{
    (void)state;
    struct subject s = subject_of(
        (struct sketch){ .attention = DSA ",\"top_k\":9", .model = TORCH, .layers = 1 }, 12);
    struct params *params = model_params(s.model);
    struct gradient found = measure(&s);
    size_t blind = 0, missed = 0, tried = 0;
    for (int g = 0; g < GRADIENT_GROUPS; g++)
        blind += found.groups[g].blind;
    assert_int_equal(found.wrong, 0);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        size_t thirds = strstr(t->name, ".qkv.") != NULL ? 3 : 1, count = t->count / thirds;
        for (size_t third = 0; third < thirds; third++) {
            struct model_stats stats;
            model_step(s.model, s.windows, s.step, &stats);
            for (size_t k = 0; k < count; k++)
                params->grad[t->offset + third * count + k] *= (real)1.01;
            tried++;
            if (measure(&s).wrong == 0)
                missed++;
        }
    }
    if (missed > blind)
        fail_msg("%zu of %zu were missed, %zu of them blind", missed, tried, blind);
    assert_true(blind * 4 <= tried);
    done(&s);
}

/* What isn't there, has the other sign, or is another loss's. */
static void test_wrong_gradients(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        double factor;
        enum gradient_group group;
    } wrong[] = {
        { "embed.weight", 0, GRADIENT_OUTER },
        { "blocks.0.attn.qkv.weight", -1, GRADIENT_ATTENTION },
        { "blocks.1.moe.gate.weight", 0, GRADIENT_EXPERTS },
        { "blocks.1.attn.indexer.q.weight", -1, GRADIENT_INDEXER },
        { "blocks.0.attn.indexer.k.weight", 2, GRADIENT_INDEXER },
    };
    struct subject s =
        subject_of((struct sketch){ .attention = DSA ",\"top_k\":9", .model = TORCH }, 12);
    struct params *params = model_params(s.model);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct tensor *t = params_find(params, wrong[i].tensor);
        struct model_stats stats;
        model_step(s.model, s.windows, s.step, &stats);
        for (size_t k = 0; k < t->count; k++)
            params->grad[t->offset + k] *= (real)wrong[i].factor;
        struct gradient found = measure(&s);
        if (found.wrong == 0)
            fail_msg("%s times %g passes", wrong[i].tensor, wrong[i].factor);
        for (int g = 0; g < GRADIENT_GROUPS; g++)
            assert_int_equal(found.groups[g].worst > found.groups[g].bound,
                             g == (int)wrong[i].group);
    }
    done(&s);
}

/* Losses of which hardly anything can be seen, for rounding or since a softmax is as good as decided:
 * no alarm, and an error where there is something to see is found all the same. */
static void test_large_weights(void **state)
{
    (void)state;
    static const struct {
        const char *model, *train;
        double gate; /* the gates are multiplied by */
    } large[] = {
        { ",\"balance_weight\":1000,\"dropout\":0.9", ",\"batch_size\":1", 1 },
        { ",\"balance_weight\":1000,\"router_noise\":100,\"init\":\"torch\"", ",\"batch_size\":2",
          1 },
        { ",\"balance_weight\":1000,\"router_noise\":0", ",\"batch_size\":1", 1e5 },
        { ",\"balance_weight\":1000,\"router_noise\":100", ",\"batch_size\":1", 1e6 },
    };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        for (int64_t t = 3; t <= 11; t += 2) {
            struct subject s = subject_of((struct sketch){ .attention = "\"kind\":\"dense\"",
                                                           .model = large[i].model,
                                                           .train = large[i].train,
                                                           .seed = t,
                                                           .seq_len = t },
                                          0);
            struct params *params = model_params(s.model);
            struct model_stats stats;
            for (size_t k = 0; k < params->n; k++)
                if (strstr(params->tensors[k].name, ".gate.") != NULL)
                    for (size_t at = 0; at < params->tensors[k].count; at++)
                        params->value[params->tensors[k].offset + at] *= (real)large[i].gate;
            model_step(s.model, s.windows, s.step, &stats);
            struct gradient found = measure(&s);
            if (found.wrong > 0)
                fail_msg("%s, gates times %g, T = %d: wrong", large[i].model, large[i].gate,
                         (int)t);
            done(&s);
        }
    struct subject s = subject_of(
        (struct sketch){ .attention = "\"kind\":\"dense\"", .model = large[0].model }, 0);
    const struct tensor *gate = params_find(model_params(s.model), "blocks.1.moe.gate.weight");
    for (size_t k = 0; k < gate->count; k++)
        model_params(s.model)->grad[gate->offset + k] *= (real)1.1;
    assert_true(measure(&s).wrong > 0);
    done(&s);
}

static bool at_once(void *arg)
{
    (void)arg;
    return true;
}

static void test_a_stop(void **state)
{
    (void)state;
    struct subject s = subject_of((struct sketch){ .attention = "\"kind\":\"dense\"" }, 0);
    struct gradient found;
    struct err err;
    char before[DIGEST_HEX], after[DIGEST_HEX];
    params_digest(model_params(s.model), before);
    assert_int_equal(
        gradient_measure(s.model, &s.spec, s.windows, s.step, at_once, NULL, &found, &err), 0);
    params_digest(model_params(s.model), after);
    assert_true(found.stopped);
    assert_string_equal(before, after);
    done(&s);
}

static void test_detached(void **state)
{
    (void)state;
    static const char *const attentions[] = { DSA ",\"top_k\":9",
                                              DSA ",\"top_k\":9,\"dense_warmup_steps\":9" };
    for (size_t i = 0; i < sizeof attentions / sizeof *attentions; i++) {
        struct subject s =
            subject_of((struct sketch){ .attention = attentions[i], .model = TORCH }, 3);
        struct detached found;
        struct err err;
        assert_int_equal(detached_measure(s.model, s.windows, s.step, &found, &err), 0);
        assert_true(found.finite);
        assert_true(found.indexer_learns);
        assert_int_equal(found.differ, 0);
        assert_null(found.tensor);
        assert_true(found.tensors > 20);
        done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_models),    cmocka_unit_test(test_one_per_cent_of_each_tensor),
        cmocka_unit_test(test_wrong_gradients), cmocka_unit_test(test_a_stop),
        cmocka_unit_test(test_detached),        cmocka_unit_test(test_large_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
