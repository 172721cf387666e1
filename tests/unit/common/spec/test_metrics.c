/* The table of metrics: what each run measures, and what is asked of a name. */
#include "common/spec/metrics.h"
#include "tests/unit/common/specs.h"

static void test_rows(void **state)
{
    (void)state;
    json_t *list = metrics_json();
    assert_int_equal(json_array_size(list), METRICS);
    for (int i = 0; i < METRICS; i++) {
        const json_t *row = json_array_get(list, (size_t)i);
        const char *name = json_string_value(json_object_get(row, "name"));
        assert_string_equal(name, metric_names[i]);
        assert_ptr_equal(metric_find(name), &metric_table[i]);
        assert_string_not_equal(json_string_value(json_object_get(row, "title")), "");
        assert_non_null(json_string_value(json_object_get(row, "format")));
    }
    assert_null(metric_names[METRICS]);
    json_decref(list);
}

static void test_clocks(void **state)
{
    (void)state;
    assert_true(metric_is_clock("time/step_s"));
    assert_true(metric_is_clock("throughput/tokens_per_s"));
    assert_false(metric_is_clock("train/loss"));
}

/* Of another version: it is a plain number, whose bits count. */
static void test_unknown(void **state)
{
    (void)state;
    assert_null(metric_find("val/perplexity"));
    assert_false(metric_is_clock("val/perplexity"));
    assert_false(metric_is_share("val/perplexity"));
}

static void test_shares(void **state)
{
    (void)state;
    assert_true(metric_is_share("val/accuracy"));
    assert_true(metric_is_share("dsa/recall"));
    assert_false(metric_is_share("val/loss"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
