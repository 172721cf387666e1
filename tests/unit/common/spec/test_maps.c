/* How large pictures of attention are, and of which evaluations they are taken. */
#include "common/spec/maps.h"
#include "common/spec/spec_json.h"
#include "tests/unit/common/specs.h"

static struct run_spec spec_of(int64_t seq_len, int64_t layers, int64_t heads, int64_t steps,
                               int64_t every)
{
    char text[400];
    struct run_spec spec;
    struct err err;
    snprintf(text, sizeof text,
             "{'data':{'dataset':'x','seq_len':%lld},'model':{'layers':%lld,'heads':%lld,'d_model':"
             "%lld},'train':{'steps':%lld,'eval_every':%lld},'artifacts':['attention']}",
             (long long)seq_len, (long long)layers, (long long)heads, (long long)(8 * heads),
             (long long)steps, (long long)every);
    json_t *json = spec_json(text);
    if (run_spec_decode(json, "", &spec, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    json_decref(json);
    return spec;
}

static void check_plan(int64_t seq_len, int64_t layers, int64_t heads, struct maps_plan expected)
{
    struct maps_plan plan;
    struct run_spec spec = spec_of(seq_len, layers, heads, 10, 10);
    maps_plan(&spec, &plan);
    assert_int_equal(plan.windows, expected.windows);
    assert_int_equal(plan.pool, expected.pool);
    assert_int_equal(plan.side, expected.side);
    assert_int_equal(plan.heads, expected.heads);
    assert_true(plan.layer_bytes * layers <= MAPS_BYTES);
}

static void test_plan(void **state)
{
    (void)state;
    check_plan(64, 4, 4, (struct maps_plan){ 2, 1, 64, true, 0 });
    check_plan(256, 1, 4, (struct maps_plan){ 2, 1, 256, true, 0 }); /* 786,432 bytes */
    check_plan(256, 2, 4, (struct maps_plan){ 1, 1, 256, true, 0 });
    check_plan(256, 4, 4, (struct maps_plan){ 1, 1, 256, false, 0 });
    check_plan(257, 4, 4, (struct maps_plan){ 2, 2, 129, true, 0 });
    check_plan(1000, 4, 4, (struct maps_plan){ 1, 4, 250, false, 0 });
    check_plan(8192, 32, 32, (struct maps_plan){ 2, 128, 64, false, 0 });
}

/* Of `all` evaluations, the last of which is shorter by one step. */
static int64_t taken(int64_t all, bool *ret_first, bool *ret_last)
{
    struct run_spec spec = spec_of(8, 1, 1, 10 * all - 1, 10);
    int64_t n = 0;
    for (int64_t i = 1; i <= all; i++)
        n += maps_wanted(&spec, i < all ? 10 * i : 10 * i - 1);
    *ret_first = maps_wanted(&spec, all > 1 ? 10 : 9);
    *ret_last = maps_wanted(&spec, 10 * all - 1);
    return n;
}

static void test_evaluations(void **state)
{
    (void)state;
    const int64_t counts[] = { 1, 2, 63, 64, 65, 100, 1000, 12345 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        bool first, last;
        int64_t n = taken(counts[i], &first, &last);
        assert_int_equal(n, counts[i] < MAPS_EVALUATIONS ? counts[i] : MAPS_EVALUATIONS);
        assert_true(first && last);
    }
    struct run_spec none = spec_of(8, 1, 1, 10, 10);
    none.artifacts = 1u << ARTIFACT_FINAL;
    assert_false(maps_wanted(&none, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_evaluations),
    };
    return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
