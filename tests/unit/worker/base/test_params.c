/* The tensor table: names and shapes of schema/numerics.md §1, initial values of §3, digest. */
#include "common/philox.h"
#include "tests/unit/worker/models.h"

#include <math.h>

#define FULL                                                                                       \
    "\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":3,\"indexer_dim\":8,\"indexer_norm\":true"

static struct params params_of(const struct run_spec *spec)
{
    struct params params;
    struct err err;
    assert_int_equal(params_new(spec, &params, &err), 0);
    return params;
}

static void test_names_and_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t rows, cols;
        enum param_group group;
        bool decay;
    } rows[] = {
        { "embed.weight", 257, 32, PARAM_MAIN, false },
        { "blocks.1.norm1.weight", 32, 0, PARAM_MAIN, false },
        { "blocks.1.attn.qkv.weight", 96, 32, PARAM_MAIN, true },
        { "blocks.1.attn.out.weight", 32, 32, PARAM_MAIN, true },
        { "blocks.1.attn.indexer.q.weight", 24, 32, PARAM_INDEXER, true },
        { "blocks.1.attn.indexer.k.weight", 8, 32, PARAM_INDEXER, true },
        { "blocks.1.attn.indexer.w.weight", 3, 32, PARAM_INDEXER, true },
        { "blocks.1.attn.indexer.k_norm.weight", 8, 0, PARAM_INDEXER, false },
        { "blocks.1.attn.indexer.k_norm.bias", 8, 0, PARAM_INDEXER, false },
        { "blocks.1.norm2.weight", 32, 0, PARAM_MAIN, false },
        { "blocks.1.moe.gate.weight", 2, 32, PARAM_MAIN, true },
        { "blocks.1.moe.experts.0.w1.weight", 48, 32, PARAM_MAIN, true },
        { "blocks.1.moe.experts.1.w2.weight", 32, 48, PARAM_MAIN, true },
        { "norm.weight", 32, 0, PARAM_MAIN, false },
        { "head.weight", 257, 32, PARAM_MAIN, true },
    };
    struct run_spec spec = spec_of((struct sketch){
        .attention = FULL, .model = ",\"experts\":2,\"tied\":false", .train = NULL, .seed = 1 });
    struct params p = params_of(&spec);
    assert_int_equal(p.n, 1 + 2 * 14 + 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tensor *t = params_find(&p, rows[i].name);
        assert_non_null(t);
        assert_int_equal(t->shape[0], rows[i].rows);
        assert_int_equal(t->shape[1], rows[i].cols);
        assert_int_equal(t->group, rows[i].group);
        assert_int_equal(t->decay, rows[i].decay);
    }
    for (size_t i = 0; i + 1 < p.n; i++) /* in order, apart, on cache lines */
        assert_true(p.tensors[i].offset + p.tensors[i].count <= p.tensors[i + 1].offset &&
                    p.tensors[i + 1].offset * sizeof(real) % 64 == 0);
    assert_true(p.tensors[p.n - 1].offset + p.tensors[p.n - 1].count <= p.count);
    assert_null(params_find(&p, "blocks.2.norm1.weight"));
    params_done(&p);
}

/* swiglu adds w3; what silu has as well keeps its bits. */
static void test_swiglu_adds_a_matrix(void **state)
{
    (void)state;
    struct run_spec silu = spec_of((struct sketch){ .attention = FULL, .seed = 1 });
    struct run_spec swiglu = spec_of(
        (struct sketch){ .attention = FULL, .model = ",\"activation\":\"swiglu\"", .seed = 1 });
    struct params p = params_of(&silu), q = params_of(&swiglu);
    assert_int_equal(q.n, p.n + 2 * 4);
    for (size_t i = 0; i < p.n; i++) {
        const struct tensor *t = &p.tensors[i], *u = params_find(&q, t->name);
        assert_memory_equal(p.value + t->offset, q.value + u->offset, t->count * sizeof(real));
    }
    const struct tensor *w3 = params_find(&q, "blocks.1.moe.experts.3.w3.weight");
    assert_true(w3->shape[0] == 48 && w3->shape[1] == 32 && w3->decay && w3->group == PARAM_MAIN);
    params_done(&p);
    params_done(&q);
}

/* Layers without an indexer have none of its tensors; the others theirs. */
static void test_indexers_by_layer(void **state)
{
    (void)state;
    struct run_spec spec = spec_of((struct sketch){
        .attention = "\"kind\":\"dense\"",
        .model =
            ",\"attention_layers\":[{\"layers\":[1,1],\"attention\":{\"kind\":\"dsa\",\"indexer_"
            "heads\":3,\"indexer_dim\":8,\"indexer_training\":\"frozen\"}}]",
        .seed = 1 });
    struct params p = params_of(&spec);
    assert_null(params_find(&p, "blocks.0.attn.indexer.q.weight"));
    const struct tensor *q = params_find(&p, "blocks.1.attn.indexer.q.weight");
    assert_true(q != NULL && q->shape[0] == 24 && q->frozen);
    params_done(&p);
}

static void check_init(const char *kind, const char *name,
                       double (*expected)(const struct philox *, uint64_t, double), double scale)
{
    char model[80];
    snprintf(model, sizeof model, ",\"init\":\"%s\",\"tied\":false,\"activation\":\"swiglu\"",
             kind);
    struct run_spec spec =
        spec_of((struct sketch){ .attention = FULL, .model = model, .train = NULL, .seed = 12345 });
    struct params p = params_of(&spec);
    const struct tensor *t = params_find(&p, name);
    const struct philox stream = philox_stream(12345, "init", name);
    for (size_t i = 0; i < t->count; i++)
        if (p.value[t->offset + i] != (real)(float)expected(&stream, i, scale))
            fail_msg("%s %s[%zu]: %.9g, not %.9g", kind, name, i, (double)p.value[t->offset + i],
                     expected(&stream, i, scale));
    params_done(&p);
}

static double normal(const struct philox *stream, uint64_t i, double scale)
{
    return scale * philox_normal(stream, 0, i);
}

static double uniform(const struct philox *stream, uint64_t i, double scale)
{
    return scale * (2 * (philox_uniform(stream, 0, i) + 0x1p-25) - 1);
}

static double constant(const struct philox *stream, uint64_t i, double scale)
{
    (void)stream;
    (void)i;
    return scale;
}

static void test_initial_values(void **state)
{
    (void)state;
    const double residual = 0.02 / sqrt(2 * 2);
    check_init("gpt2", "embed.weight", normal, 0.02);
    check_init("gpt2", "head.weight", normal, 0.02);
    check_init("gpt2", "blocks.0.attn.qkv.weight", normal, 0.02);
    check_init("gpt2", "blocks.1.attn.out.weight", normal, residual);
    check_init("gpt2", "blocks.1.attn.indexer.q.weight", normal, 0.02);
    check_init("gpt2", "blocks.1.moe.gate.weight", normal, 0.02);
    check_init("gpt2", "blocks.1.moe.experts.3.w1.weight", normal, 0.02);
    check_init("gpt2", "blocks.1.moe.experts.3.w2.weight", normal, residual);
    check_init("gpt2", "blocks.1.moe.experts.3.w3.weight", normal, 0.02);
    check_init("torch", "embed.weight", normal, 1);
    check_init("torch", "blocks.0.attn.qkv.weight", uniform, 1 / sqrt(32));
    check_init("torch", "blocks.1.attn.out.weight", uniform, 1 / sqrt(32));
    check_init("torch", "blocks.1.moe.experts.3.w2.weight", uniform, 1 / sqrt(48));
    for (int torch = 0; torch < 2; torch++) {
        check_init(torch ? "torch" : "gpt2", "blocks.0.norm2.weight", constant, 1);
        check_init(torch ? "torch" : "gpt2", "blocks.0.attn.indexer.k_norm.weight", constant, 1);
        check_init(torch ? "torch" : "gpt2", "blocks.0.attn.indexer.k_norm.bias", constant, 0);
    }
}

/* The server knows by name alone which tensors gpt2 scales by depth. */
static void test_what_depth_scales(void **state)
{
    (void)state;
    struct run_spec specs[2] = {
        spec_of((struct sketch){
            .attention = FULL, .model = ",\"activation\":\"swiglu\"", .layers = 1 }),
        spec_of((struct sketch){
            .attention = FULL, .model = ",\"activation\":\"swiglu\"", .layers = 2 }),
    };
    struct params shallow = params_of(&specs[0]), deep = params_of(&specs[1]);
    size_t scaled = 0;
    for (size_t i = 0; i < shallow.n; i++) {
        const struct tensor *a = &shallow.tensors[i], *b = params_find(&deep, a->name);
        bool same =
            memcmp(shallow.value + a->offset, deep.value + b->offset, a->count * sizeof(real)) == 0;
        if (same == run_spec_ends_residual(a->name))
            fail_msg("%s", a->name);
        scaled += !same;
    }
    assert_int_equal(scaled, 1 + specs[0].model.experts);
    params_done(&shallow);
    params_done(&deep);
}

static void test_digest_feels_every_array(void **state)
{
    (void)state;
    struct run_spec spec =
        spec_of((struct sketch){ .attention = FULL, .model = NULL, .train = NULL, .seed = 1 });
    struct params p = params_of(&spec);
    char at_first[DIGEST_HEX], now[DIGEST_HEX];
    real *const arrays[] = { p.value, p.moments[0], p.moments[1] };
    const struct tensor *last = &p.tensors[p.n - 1];
    params_digest(&p, at_first);
    for (int i = 0; i < 3; i++) {
        real *element = arrays[i] + last->offset + last->count - 1, was = *element;
        *element = was + 1;
        params_digest(&p, now);
        assert_string_not_equal(now, at_first);
        *element = was;
    }
    p.grad[0] = 1; /* not part of the state */
    params_digest(&p, now);
    assert_string_equal(now, at_first);
    params_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_shapes),  cmocka_unit_test(test_swiglu_adds_a_matrix),
        cmocka_unit_test(test_indexers_by_layer), cmocka_unit_test(test_initial_values),
        cmocka_unit_test(test_what_depth_scales), cmocka_unit_test(test_digest_feels_every_array),
    };
    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
