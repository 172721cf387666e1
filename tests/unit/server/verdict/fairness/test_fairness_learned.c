/* Which comparisons are of arms that have learnt nothing. */
#include "tests/unit/server/fairness.h"

static const double unigram = 3, bigram = 2;

/* The runs of an arm at a point end with this val/loss, and have told what is scored without a
 * model. */
static void reach(struct study *s, size_t arm, size_t point, double loss)
{
    for (size_t seed = 0; seed * s->points_n * s->arms_n < s->runs_n; seed++) {
        struct digests_row *run = run_at(s, seed, point, arm);
        run->evaluated = true;
        run->loss = loss;
        run->unigram = seed == 0 ? unigram : NAN; /* the one that makes audits */
        run->bigram = seed == 0 ? bigram : NAN;
    }
}

/* {"arms":[…],"places":[…]} of the pairs that are named. */
static void expect_pairs(const struct study *s, const char *text)
{
    json_t *e = evidence(s, "learned"), *wanted = load(text);
    if (!json_equal(json_object_get(e, "pairs"), wanted))
        fail_msg("%s", only(s, "learned")->evidence);
    json_decref(e);
    json_decref(wanted);
}

static void test_each_outcome(void **state)
{
    (void)state;
    static const struct {
        double dense, dsa;
        const char *status, *detail;
    } cases[] = {
        { 1.5, 1.9, "pass",
          "every arm predicts validation better than pairs of tokens do "
          "(bigram); the nearest to that is dsa (1.9), below a val/loss of 2" },
        { 2, 2, "pass", "" }, /* no worse than pairs do */
        { 1.5, 2.5, "warn", "dsa (2.5) predicts worse than pairs of tokens do, a val/loss of 2" },
        { 2.75, 2.5, "warn", "dense (2.75) predicts worse" },
        { 3.5, 1.5, "warn",
          "dense (3.5) predicts no better than guessing by how often each token "
          "occurs (unigram), a val/loss of 3; the arm that it is" },
        { 1.5, 3, "warn", "dsa (3) predicts no better" },
        { 2.5, INFINITY, "warn", "dsa (diverged) predicts no better" },
        { 3, 3, "fail",
          "neither dsa nor dense has learnt anything: their val/loss (3, 3) isn't below the 3 of guessing by how often "
          "each token occurs (unigram)" },
        { 3.5, 4, "fail", "their val/loss (4, 3.5) isn't below" },
        { 3.5, NAN, "fail", "(diverged, 3.5)" },
        { INFINITY, NAN, "fail", "(diverged, diverged)" },
    };
    struct study s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&s, plain, 2, 2, no_grid);
        reach(&s, 0, 0, cases[i].dense);
        reach(&s, 1, 0, cases[i].dsa);
        expect(&s, "learned", cases[i].status, cases[i].detail);
        expect_pairs(&s, strcmp(cases[i].status, "fail") == 0 ? "[{\"arms\":[\"dense\",\"dsa\"]}]"
                                                              : "[]");
        end(&s);
    }
}

/* The mean of what is finite counts, of runs that succeeded. */
static void test_means(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 3, no_grid);
    reach(&s, 0, 0, 3.5);
    reach(&s, 1, 0, 3.5);
    run_at(&s, 0, 0, 1)->loss = 2.25;
    expect(&s, "learned", "fail", "(3.083, 3.5)");
    run_at(&s, 1, 0, 1)->loss = NAN;
    expect(&s, "learned", "warn", "dense (3.5)"); /* dsa's is 2.875 */
    run_at(&s, 2, 0, 1)->state = RUN_FAILED;
    look(&s);
    json_t *e = evidence(&s, "learned");
    json_t *cell = json_array_get(json_object_get(e, "cells"), 1),
           *wanted = load(
               "{\"arm\":\"dsa\",\"grid\":{},\"loss\":2.25,\"runs\":2,\"diverged\":1,\"unigram\":3,"
               "\"bigram\":2}");
    assert_true(json_equal(cell, wanted));
    json_decref(wanted);
    json_decref(e);
    end(&s);
}

/* A comparison falls at the places where it has learnt nothing; another arm's stands. */
static void test_places(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 3, 1, lengths);
    for (size_t arm = 0; arm < 3; arm++)
        for (size_t point = 0; point < 2; point++)
            reach(&s, arm, point, 1);
    expect(&s, "learned", "pass", "");
    reach(&s, 0, 1, 5);
    expect(&s, "learned", "warn", "dense (5) at L = 128 predicts no better than guessing by ");
    assert_non_null(strstr(only(&s, "learned")->detail, "; so in 2 of 4 comparisons"));
    reach(&s, 2, 1, 4);
    expect(&s, "learned", "fail",
           "neither third nor dense has learnt anything at L = 128: their val/loss (4, 5)");
    assert_non_null(strstr(only(&s, "learned")->detail, "; so in 1 of 4 comparisons"));
    expect_pairs(&s, "[{\"arms\":[\"dense\",\"third\"],\"places\":[{\"data.seq_len\":128}]}]");
    assert_int_equal(count(&s, "learned", "unlearnt"), 1);
    assert_int_equal(count(&s, "learned", "above_unigram"), 1);
    assert_int_equal(count(&s, "learned", "better"), 2);
    end(&s);
}

/* With tuned factors an arm is what it has chosen. */
static void test_chosen(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 2, rates);
    for (size_t arm = 0; arm < 2; arm++)
        for (size_t point = 0; point < 3; point++) {
            reach(&s, arm, point, point == 1 ? 1 : 9);
            for (size_t seed = 0; seed < 2; seed++)
                run_at(&s, seed, point, arm)->value = point == 1 ? 1 : 9;
        }
    expect(&s, "learned", "pass", "");
    assert_int_equal(count(&s, "learned", "better"), 1);
    for (size_t seed = 0; seed < 2; seed++)
        run_at(&s, seed, 1, 0)->value = run_at(&s, seed, 1, 1)->value = 10;
    expect(&s, "learned", "fail", "");
    end(&s);
}

static void test_nothing_to_say(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 2, no_grid); /* runs of a trainer that doesn't tell */
    expect(&s, "learned", "skipped", "of no comparison both arms have told");
    assert_int_equal(count(&s, "learned", "untold"), 1);
    reach(&s, 0, 0, 5);
    expect(&s, "learned", "skipped", "of no comparison");
    reach(&s, 1, 0, 5);
    for (size_t seed = 0; seed < 2; seed++)
        run_at(&s, seed, 0, 1)->state = RUN_CANCELLED;
    expect(&s, "learned", "skipped", "of no comparison");
    end(&s);

    begin(&s, "{\"compare\":{\"metric\":\"time/step_s\",\"baseline\":\"dense\"}}", 2, 1, no_grid);
    reach(&s, 0, 0, 5);
    reach(&s, 1, 0, 5);
    expect(&s, "learned", "skipped", "times are compared");
    end(&s);

    /* copy and mqar know no pairs */
    begin(&s, plain, 2, 1, no_grid);
    reach(&s, 0, 0, 2.75);
    reach(&s, 1, 0, 2.75);
    run_at(&s, 0, 0, 0)->bigram = run_at(&s, 0, 0, 1)->bigram = NAN;
    expect(&s, "learned", "pass",
           "than guessing among the possible answers; the nearest to that is dsa (2.75), below a "
           "val/loss of 3");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_outcome),   cmocka_unit_test(test_means),
        cmocka_unit_test(test_places),         cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_nothing_to_say),
    };
    return cmocka_run_group_tests_name("fairness: learned", tests, NULL, NULL);
}
