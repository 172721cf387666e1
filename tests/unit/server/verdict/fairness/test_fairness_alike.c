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

static void expect_pairs(const struct study *s, const char *name, const char *text)
{
    json_t *e = evidence(s, name), *wanted = load(text);
    if (!json_equal(json_object_get(e, "pairs"), wanted))
        fail_msg("%s", only(s, name)->evidence);
    json_decref(e);
    json_decref(wanted);
}

/* What one arm alone does otherwise concerns its pairs; that the other two agree is known. */
static void test_pairs_are_named(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 3, 1, no_grid);
    s.train[1] = ",\"batch_size\":8";
    snprintf(s.consumed[1], 32, "other");
    expect(&s, "same_batches", "fail",
           "2 of 3 pairs of arms saw other data: dsa and dense, third and dsa; run 2 (dsa) was "
           "trained on other tokens than run 1 (dense), seed 40; their specs choose "
           "train.batch_size 8 and 16");
    expect_pairs(&s, "same_batches",
                 "[{\"arms\":[\"dense\",\"dsa\"],\"grid\":{},\"runs\":[1,2],\"seed\":40,"
                 "\"tokens\":\"training\"},{\"arms\":[\"dsa\",\"third\"],\"grid\":{},"
                 "\"runs\":[2,3],\"seed\":40,\"tokens\":\"training\"}]");
    assert_int_equal(count(&s, "same_batches", "pairs_compared"), 3);
    assert_int_equal(count(&s, "same_batches", "pairs_different"), 2);
    end(&s);
}

/* At one place of two; and weights that two arms share beside a third that has its own. */
static void test_pairs_know_their_places(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 3, 2, lengths);
    for (size_t seed = 0; seed < 2; seed++)
        for (size_t arm = 1; arm < 3; arm++) {
            snprintf(run_at(&s, seed, 1, arm)->consumed, 32, "same in both");
            s.init[(seed * 2 + 0) * 3 + arm] = "{\"norm.weight\":\"32:xx\"}";
        }
    expect(&s, "same_batches", "fail",
           "2 of 3 pairs of arms saw other data: dsa and dense, third and dense; run 5 (dsa)");
    expect_pairs(&s, "same_batches",
                 "[{\"arms\":[\"dense\",\"dsa\"],\"grid\":{\"data.seq_len\":128},\"runs\":"
                 "[4,5],\"seed\":40,\"tokens\":\"training\",\"places\":[{\"data.seq_len\":128}]},"
                 "{\"arms\":[\"dense\",\"third\"],\"grid\":{\"data.seq_len\":128},\"runs\":"
                 "[4,6],\"seed\":40,\"tokens\":\"training\",\"places\":[{\"data.seq_len\":128}]"
                 "}]");
    expect(&s, "shared_init", "fail",
           "2 of 3 pairs of arms start from other weights: dsa and dense, third and dense; 4 of ");
    end(&s);
}

/* The draws are the same, the scale is the depth's, and depth is what is compared. */
static void test_depth_is_chosen(void **state)
{
    (void)state;
    static const char shallow[] = "{\"norm.weight\":\"32:bb\",\"blocks.0.attn.out.weight\":"
                                  "\"32x32:aa\",\"blocks.0.moe.experts.*.w2.weight\":\"aa\"}",
                      deep[] = "{\"norm.weight\":\"32:bb\",\"blocks.0.attn.out.weight\":"
                               "\"32x32:cc\",\"blocks.0.moe.experts.*.w2.weight\":\"aa\"}";
    struct study s;
    begin(&s, plain, 3, 1, no_grid);
    s.more[1] = ",\"layers\":3";
    s.init[0] = s.init[2] = shallow;
    s.init[1] = deep;
    expect(&s, "shared_init", "pass",
           "arms start from the same bits: 3 shared tensors compared, seed by seed; 1 more differ "
           "on purpose (dsa and dense): init gpt2 divides what ends a residual branch by "
           "√(2·layers); their specs choose model.layers 3 and 4");
    expect_pairs(&s, "shared_init", "[]");
    assert_int_equal(count(&s, "shared_init", "deliberate"), 1);
    assert_int_equal(count(&s, "shared_init", "different"), 0);
    /* Nothing else that depth might be blamed for. */
    s.init[1] = "{\"norm.weight\":\"32:xx\"}";
    expect(&s, "shared_init", "fail", "1 of 3 shared tensors differ: at first norm.weight");
    s.init[1] = deep;
    s.more[1] = ",\"init\":\"torch\",\"layers\":3";
    expect(&s, "shared_init", "fail", "their specs choose model.init \"torch\" and \"gpt2\"");
    s.more[1] = "";
    expect(&s, "shared_init", "fail", "at first blocks.0.attn.out.weight");
    end(&s);
}

/* Depth sets both deep arms apart from the first; what sets them apart from each other isn't it,
 * though of the counts, which are against the first, none says so. */
static void test_arms_of_one_depth(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 3, 1, no_grid);
    s.init[0] = "{\"blocks.0.attn.out.weight\":\"32x32:aa\"}";
    s.init[1] = "{\"blocks.0.attn.out.weight\":\"32x32:bb\"}";
    s.init[2] = "{\"blocks.0.attn.out.weight\":\"32x32:cc\"}";
    s.more[1] = s.more[2] = ",\"layers\":3";
    expect(&s, "shared_init", "fail", "third and dsa");
    expect_first(&s, "shared_init",
                 "{\"seed\":40,\"grid\":{},\"tensor\":\"blocks.0.attn.out.weight\","
                 "\"arms\":[\"dsa\",\"third\"],\"runs\":[2,3]}");
    s.init[2] = s.init[1];
    expect(&s, "shared_init", "pass", "differ on purpose");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_weights),
        cmocka_unit_test(test_initial_weights_untold),
        cmocka_unit_test(test_the_specs_say_why),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_pairs_are_named),
        cmocka_unit_test(test_pairs_know_their_places),
        cmocka_unit_test(test_depth_is_chosen),
        cmocka_unit_test(test_arms_of_one_depth),
        cmocka_unit_test(test_tuned_values_see_the_same_batches),
    };
    return cmocka_run_group_tests_name("fairness: alike", tests, NULL, NULL);
}
