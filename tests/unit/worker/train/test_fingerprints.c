/* What an attempt tells of itself: digests by hand, names and shapes, many experts folded. */
#include "tests/unit/worker/models.h"
#include "worker/train/fingerprints.h"

static struct params params_of(const char *model, int64_t seed, int64_t layers)
{
    struct params params;
    struct err err;
    struct run_spec spec = spec_of((struct sketch){
        .attention = "\"kind\":\"dense\"", .model = model, .seed = seed, .layers = layers });
    if (params_new(&spec, &params, &err) != 0)
        fail_msg("%s", err.message);
    return params;
}

/* "shape:hex" from the tensors named, their values one after the other. */
static void expect(const json_t *prints, const char *name, const char *shape,
                   const struct params *params, const char *const *tensors)
{
    char hex[DIGEST_HEX], text[100];
    struct digest digest;
    digest_init(&digest);
    for (; *tensors != NULL; tensors++) {
        const struct tensor *t = params_find(params, *tensors);
        assert_non_null(t);
        digest_add(&digest, params->value + t->offset, t->count * sizeof(float));
    }
    digest_end_hex(&digest, hex);
    snprintf(text, sizeof text, "%s:%.16s", shape, hex);
    assert_non_null(json_object_get(prints, name));
    assert_string_equal(json_string_value(json_object_get(prints, name)), text);
}

static void test_every_tensor(void **state)
{
    (void)state;
    struct params p = params_of(",\"experts\":2", 7, 2), other = params_of(",\"experts\":2", 8, 2);
    json_t *prints = fingerprints_weights(&p), *others = fingerprints_weights(&other);
    assert_int_equal(json_object_size(prints), p.n);
    expect(prints, "embed.weight", "257x32", &p, (const char *[]){ "embed.weight", NULL });
    expect(prints, "norm.weight", "32", &p, (const char *[]){ "norm.weight", NULL });
    expect(prints, "blocks.1.moe.experts.1.w2.weight", "32x48", &p,
           (const char *[]){ "blocks.1.moe.experts.1.w2.weight", NULL });
    assert_false(json_equal(json_object_get(prints, "embed.weight"),
                            json_object_get(others, "embed.weight"))); /* by seed */
    assert_true(json_equal(json_object_get(prints, "norm.weight"),
                           json_object_get(others, "norm.weight"))); /* ones, whatever the seed */
    json_decref(prints);
    json_decref(others);
    params_done(&p);
    params_done(&other);
}

static void test_many_experts_are_told_by_layer(void **state)
{
    (void)state;
    static char names[64][64];
    const char *tensors[65] = { NULL };
    struct params p = params_of(",\"experts\":64", 1, 40);
    json_t *prints = fingerprints_weights(&p);
    size_t experts = 2 * 64 * 40;
    assert_true(experts > FINGERPRINTS_EXPERT_TENSORS);
    assert_int_equal(json_object_size(prints), p.n - experts + 2 * 40);
    for (size_t i = 0; i < 64; i++) {
        snprintf(names[i], sizeof names[i], "blocks.39.moe.experts.%zu.w1.weight", i);
        tensors[i] = names[i];
    }
    expect(prints, "blocks.39.moe.experts.*.w1.weight", "64x48x32", &p, tensors);
    expect(prints, "blocks.39.moe.gate.weight", "64x32", &p,
           (const char *[]){ "blocks.39.moe.gate.weight", NULL });
    json_decref(prints);
    params_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tensor),
        cmocka_unit_test(test_many_experts_are_told_by_layer),
    };
    return cmocka_run_group_tests_name("fingerprints", tests, NULL, NULL);
}
