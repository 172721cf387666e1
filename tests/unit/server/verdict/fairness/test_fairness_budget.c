/* budget: equal steps, equal FLOPs, neither. */
#include "tests/unit/server/fairness.h"

static void test_budget(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    s.more[1] = NULL;
    expect(&s, "budget", "pass",
           "at equal steps, parameters, training FLOPs and tokens of the arms "
           "differ by at most 0 %");
    s.train[1] = ",\"steps\":1049"; /* of 1000 */
    expect(&s, "budget", "pass", "at neither equal steps nor equal training FLOPs, ");
    expect(&s, "budget", "pass", "at most 4.9 %");
    s.train[1] = ",\"steps\":1051";
    expect(&s, "budget", "warn", "training FLOPs in total differ by 5.1 %");
    assert_non_null(strstr(only(&s, "budget")->detail,
                           "tokens trained differ by 5.1 % (dsa 2152448, dense 2048000)"));
    json_t *e = evidence(&s, "budget");
    assert_int_equal(json_array_size(json_object_get(e, "unequal")), 2);
    assert_int_equal(json_array_size(json_object_get(e, "cells")), 2);
    const json_t *cell = json_array_get(json_object_get(e, "cells"), 1);
    assert_string_equal(json_string_value(json_object_get(cell, "arm")), "dsa");
    assert_int_equal(json_number_value(json_object_get(cell, "tokens")), 1051 * 16 * 128);
    json_decref(e);
    s.train[1] = NULL;
    s.more[1] = ",\"d_ff\":1024";
    expect(&s, "budget", "warn", "parameters differ by");
    assert_null(strstr(only(&s, "budget")->detail, "tokens"));
    end(&s);
}

/* Steps cost differently and the compute is the same: then tokens can't be. */
static void test_equal_flops(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    s.more[1] = ",\"attention\":{\"kind\":\"window\",\"window\":8}";
    s.train[0] = s.train[1] = ",\"flops\":1e12";
    expect(&s, "budget", "pass",
           "at equal training FLOPs, parameters and training FLOPs of the arms "
           "differ by at most 0.");
    json_t *e = evidence(&s, "budget");
    assert_string_equal(json_string_value(json_object_get(e, "basis")), "flops");
    const json_t *cells = json_object_get(e, "cells");
    double steps[2], step[2], total[2];
    for (size_t i = 0; i < 2; i++) {
        const json_t *cell = json_array_get(cells, i);
        steps[i] = json_number_value(json_object_get(cell, "steps"));
        step[i] = json_number_value(json_object_get(cell, "flops_per_step"));
        total[i] = json_number_value(json_object_get(cell, "flops_total"));
        assert_true(total[i] <= 1e12 && total[i] + step[i] > 1e12);
    }
    assert_true(steps[1] > 1.05 * steps[0]);
    json_decref(e);
    s.train[1] = NULL; /* 1000 steps */
    expect(&s, "budget", "warn", "at neither equal steps nor equal training FLOPs, ");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_equal_flops),
    };
    return cmocka_run_group_tests_name("fairness: budget", tests, NULL, NULL);
}
