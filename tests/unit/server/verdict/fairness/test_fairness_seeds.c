/* distinct_seeds: seeds that draw nothing new are found, and what is the same by right isn't held
 * against them. */
#include "tests/unit/server/fairness.h"

#include "common/base/digest.h"

/* The finding about an arm at a grid point (NULL: at all of them). */
static const struct audit_row *of(const struct study *s, const char *arm, const char *grid)
{
    for (size_t i = 0; i < s->found_n; i++) {
        const struct audit_row *row = &s->found[i];
        bool there =
            grid == NULL ? row->grid == NULL : row->grid != NULL && strcmp(row->grid, grid) == 0;
        if (strcmp(row->name, "distinct_seeds") == 0 && strcmp(row->arm, arm) == 0 && there)
            return row;
    }
    fail_msg("nothing of %s at %s", arm, grid);
    return NULL;
}

static void expect_of(const struct study *s, const char *arm, const char *grid, const char *status,
                      const char *detail)
{
    const struct audit_row *row = of(s, arm, grid);
    if (strcmp(row->status, status) != 0 || strstr(row->detail, detail) == NULL)
        fail_msg("%s %s: %s", arm, row->status, row->detail);
}

static void test_other_seeds_draw_other_things(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 3, lengths);
    look(&s);
    for (size_t arm = 0; arm < 2; arm++)
        for (size_t point = 0; point < 2; point++)
            expect_of(&s, s.arms[arm], lengths[point], "pass",
                      "3 seeds start from weights of their own and saw an order of their own");
    end(&s);
    begin(&s, plain, 2, 1, no_grid);
    look(&s);
    expect_of(&s, "dsa", "{}", "skipped", "one seed");
    end(&s);
    begin(&s, plain, 2, 2, no_grid);
    for (size_t i = 0; i < 2; i++) {
        s.init[2 * i + 1] = NULL;
        run_at(&s, i, 0, 1)->consumed = NULL;
    }
    look(&s);
    expect_of(&s, "dense", "{}", "pass", "2 seeds");
    expect_of(&s, "dsa", "{}", "skipped", "no two seeds have told");
    end(&s);
}

static void test_weights_of_another_seed(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 3, lengths);
    s.one_weights = true;
    look(&s);
    expect_of(&s, "dsa", lengths[1], "fail",
              "run 8 (seed 41) starts with the same weights as run 4 (seed 40): embed.weight, and "
              "5 more such tensors");
    end(&s);

    /* one tensor of many, in one arm at one point */
    begin(&s, plain, 2, 2, lengths);
    s.one_weights = true;
    for (size_t i = 0; i < 8; i++)
        s.init[i] = i < 4 ? "{\"a\":\"2:a1\",\"b\":\"2:b1\"}" : "{\"a\":\"2:a2\",\"b\":\"2:b2\"}";
    s.init[5] = "{\"a\":\"2:a3\",\"b\":\"2:b1\"}";
    look(&s);
    expect_of(&s, "dsa", lengths[0], "fail",
              "run 6 (seed 41) starts with the same weights as run "
              "2 (seed 40): b, and 0 more");
    expect_of(&s, "dense", lengths[0], "pass", "2 seeds");
    expect_of(&s, "dsa", lengths[1], "pass", "2 seeds");
    end(&s);
}

/* Norms begin as ones and gates as zeros, whatever the seed: no draw. Other constants are drawn. */
static void test_constants_are_no_draw(void **state)
{
    (void)state;
    static const float values[] = { 0, 1, 2 };
    struct study s;
    for (size_t v = 0; v < 3; v++) {
        float ones[6];
        char hex[DIGEST_HEX], text[80];
        for (size_t i = 0; i < 6; i++)
            ones[i] = values[v];
        digest_of_hex(ones, sizeof ones, hex);
        snprintf(text, sizeof text, "{\"norm.weight\":\"2x3:%.16s\"}", hex);
        begin(&s, plain, 2, 2, no_grid);
        s.one_weights = true;
        for (size_t i = 0; i < s.runs_n; i++)
            s.init[i] = text;
        look(&s);
        expect_of(&s, "dense", "{}", v < 2 ? "pass" : "fail", v < 2 ? "2 seeds" : "norm.weight");
        end(&s);
    }
}

static void test_batches_of_another_seed(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 3, no_grid);
    snprintf(s.consumed[5], 32, "%s", s.consumed[1]); /* dsa's third seed as its first */
    look(&s);
    expect_of(&s, "dense", "{}", "pass", "3 seeds");
    expect_of(&s, "dsa", "{}", "fail",
              "run 6 (seed 42) was trained on the same tokens in the same order as run 2 (seed "
              "40)");
    for (size_t i = 0; i < s.runs_n; i++)
        s.runs[i].windows = 15;
    look(&s);
    expect_of(&s, "dsa", "{}", "fail", "same order");
    for (size_t i = 0; i < s.runs_n; i++)
        s.runs[i].windows = 14;
    look(&s);
    expect_of(&s, "dsa", "{}", "pass", "fewer than 15 training windows");
    for (size_t i = 0; i < s.runs_n; i++) /* of an older daemon: as many as a batch, at least */
        s.runs[i].windows = 0;
    look(&s);
    expect_of(&s, "dsa", "{}", "fail", "same order"); /* 16 */
    s.train[1] = ",\"batch_size\":14";
    look(&s);
    expect_of(&s, "dsa", "{}", "pass", "fewer than 15");
    end(&s);

    /* so many windows that few of them were seen */
    begin(&s, plain, 2, 2, no_grid);
    s.train[1] = ",\"batch_size\":7,\"steps\":2";
    snprintf(s.consumed[3], 32, "%s", s.consumed[1]);
    look(&s);
    expect_of(&s, "dsa", "{}", "pass", "fewer than 15");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_seeds_draw_other_things),
        cmocka_unit_test(test_weights_of_another_seed),
        cmocka_unit_test(test_constants_are_no_draw),
        cmocka_unit_test(test_batches_of_another_seed),
    };
    return cmocka_run_group_tests_name("fairness: seeds", tests, NULL, NULL);
}
