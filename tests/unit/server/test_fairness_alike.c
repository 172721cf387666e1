/* shared_init and same_batches. */
#include "tests/unit/server/fairness.h"

static void test_initial_weights(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 2, lengths);
    expect(&s, "shared_init", "pass", "8 shared tensors");
    assert_int_equal(count(&s, "shared_init", "compared"), 8);
    assert_int_equal(count(&s, "shared_init", "runs"), 8);

    s.init[7] = "{\"embed.weight\":\"257x32:aa\",\"norm.weight\":\"32:b0\"}";
    expect(&s, "shared_init", "fail", "1 of 8 shared tensors");
    expect_first(&s, "shared_init",
                 "{\"seed\":41,\"grid\":{\"data.seq_len\":128},\"tensor\":\"norm.weight\","
                 "\"arms\":[\"dense\",\"dsa\"],\"runs\":[7,8]}");
    assert_non_null(strstr(only(&s, "shared_init")->detail,
                           "run 8 (dsa) doesn't start from that of run 7 (dense), seed 41, "
                           "seq_len 128"));
    assert_null(strstr(only(&s, "shared_init")->detail, "specs"));

    /* The same name with another shape is another parameter. */
    s.init[7] = "{\"embed.weight\":\"257x32:aa\",\"norm.weight\":\"64:b0\"}";
    expect(&s, "shared_init", "pass", "7 shared tensors");
    /* Other seeds and other grid points are others' business. */
    for (size_t i = 4; i < 8; i++)
        s.init[i] = "{\"embed.weight\":\"257x32:11\"}";
    for (size_t i = 2; i < 4; i++)
        s.init[i] = "{\"embed.weight\":\"257x32:22\"}";
    expect(&s, "shared_init", "pass", "5 shared tensors");
    end(&s);
}

static void test_initial_weights_untold(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, lengths);
    s.init[1] = NULL; /* it never began */
    expect(&s, "shared_init", "pass", "2 shared tensors");
    assert_int_equal(count(&s, "shared_init", "silent"), 1);
    s.init[3] = NULL;
    expect(&s, "shared_init", "skipped", "no two arms");
    s.init[1] = s.init[3] = "{\"other\":\"1:aa\"}";
    expect(&s, "shared_init", "skipped", "no parameter of the same name and shape");
    end(&s);
}

static void test_the_specs_say_why(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    s.init[1] = "{\"embed.weight\":\"257x32:ff\"}";
    s.more[1] = ",\"init\":\"torch\"";
    expect(&s, "shared_init", "fail", "their specs choose model.init \"torch\" and \"gpt2\"");
    snprintf(s.consumed[1], 32, "other");
    s.train[1] = ",\"batch_size\":8";
    expect(&s, "same_batches", "fail", "their specs choose train.batch_size 8 and 16");
    assert_null(strstr(only(&s, "same_batches")->detail, "model.init"));
    end(&s);
}

static void test_batches(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 3, 2, lengths);
    for (size_t arm = 0; arm < 3; arm++) /* another length, other tokens */
        snprintf(run_at(&s, 0, 1, arm)->consumed, 32, "long");
    expect(&s, "same_batches", "pass", "12 runs");
    assert_int_equal(count(&s, "same_batches", "compared"), 16);
    snprintf(run_at(&s, 1, 1, 2)->consumed, 32, "x");
    expect(&s, "same_batches", "fail", "run 12 (third) was trained on other tokens than run 10");
    expect_first(&s, "same_batches",
                 "{\"seed\":41,\"grid\":{\"data.seq_len\":128},\"tokens\":\"training\","
                 "\"arms\":[\"dense\",\"third\"],\"runs\":[10,12]}");
    snprintf(run_at(&s, 1, 1, 2)->consumed, 32, "c1");
    snprintf(run_at(&s, 0, 0, 1)->eval, 32, "x");
    expect(&s, "same_batches", "fail", "run 2 (dsa) was evaluated on other windows than run 1");
    assert_int_equal(count(&s, "same_batches", "different"), 1);
    run_at(&s, 0, 0, 1)->consumed = NULL; /* it didn't finish */
    expect(&s, "same_batches", "pass", "11 runs");
    for (size_t i = 0; i < s.runs_n; i++)
        if (i % 3 != 0)
            s.runs[i].consumed = NULL;
    expect(&s, "same_batches", "skipped", "no two arms");
    end(&s);
}

static void test_tuned_values_see_the_same_batches(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 1, rates);
    expect(&s, "same_batches", "pass", "6 runs");
    for (size_t arm = 0; arm < 2; arm++) /* the arms alike, but not as at other rates */
        snprintf(run_at(&s, 0, 2, arm)->consumed, 32, "x");
    expect(&s, "same_batches", "fail", "lr 0.004");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_weights),
        cmocka_unit_test(test_initial_weights_untold),
        cmocka_unit_test(test_the_specs_say_why),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_tuned_values_see_the_same_batches),
    };
    return cmocka_run_group_tests_name("fairness: alike", tests, NULL, NULL);
}
