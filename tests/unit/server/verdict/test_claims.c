/* Claims against values computed elsewhere: tests/oracle/stats.py makes the same study, counts
 * every sign flip by brute force, lets scipy count again, and finds intervals by testing means one
 * by one. */
#include "tests/unit/server/studies.h"

#define COMPARE(margin)                                                                            \
    "{\"metric\":\"val/"                                                                           \
    "loss\",\"goal\":\"min\",\"at\":\"last\",\"baseline\":\"a0\",\"margin\":" margin "}"

static const char *const arms[] = { "a0", "a1", "a2", "a3", "a4" };
static const char *const points[] = { "{\"data.seq_len\":64}", "{\"data.seq_len\":128}" };

/* stats.py: loss */
static double loss(int arm, int point, int64_t seed)
{
    static const double shift[] = { 0, -0.3, 0.02, 0.1, 0.4 };
    int64_t noise = (seed * 37 + arm * 11 + point * 17 + seed * arm * 5) % 29;
    return 2 + point / 2.0 + (double)noise / 100 + shift[arm];
}

static struct run_row *trial(struct study *s, int arm, int point, int64_t seed)
{
    struct run_row *run = add(s, arms[arm], points[point], seed, RUN_SUCCEEDED);
    double value = loss(arm, point, seed);
    final(run, "val/loss", value, value, value);
    return run;
}

/* The baseline and the arms first … last. */
static void fill(struct study *s, int first, int last, int points_n, int64_t seeds)
{
    for (int64_t seed = 1; seed <= seeds; seed++)
        for (int point = 0; point < points_n; point++)
            for (int arm = 0; arm <= last; arm++)
                if (arm == 0 || arm >= first)
                    trial(s, arm, point, seed);
}

static struct run_row *find(struct study *s, const char *arm, int point, int64_t seed)
{
    for (size_t i = 0; i < s->in.runs_n; i++)
        if (s->runs[i].seed == seed && strcmp(s->runs[i].arm, arm) == 0 &&
            strcmp(s->runs[i].grid, points[point]) == 0)
            return &s->runs[i];
    fail_msg("no run of %s with seed %d", arm, (int)seed);
    return NULL;
}

static void end_as(struct study *s, struct run_row *run, enum run_state state)
{
    s->experiment.counts[run->state]--;
    s->experiment.counts[state]++;
    run->state = state;
}

static void assert_near(json_t *value, double want, double within)
{
    double got = NAN;
    jsonx_to_double(value, &got);
    if (!(fabs(got - want) <= within) && !(isinf(want) && got == want))
        fail_msg("%.12g, not %.12g", got, want);
}

struct wanted {
    double mean, sd, p, low, high; /* NaN: not looked at */
    const char *verdict;
};

static void assert_claim(json_t *c, const char *p, int64_t n, const struct wanted *w)
{
    assert_int_equal(json_integer_value(at(c, "n")), n);
    assert_string_equal(json_string_value(at(c, "verdict")), w->verdict);
    assert_near(at(c, "mean_difference"), w->mean, 1e-9);
    if (!isnan(w->sd))
        assert_near(at(c, "sd"), w->sd, 1e-9);
    assert_near(at(c, p), w->p, 1e-12);
    if (!isnan(w->low))
        assert_near(at(at(c, "ci95"), "0"), w->low, 1e-8);
    if (!isnan(w->high))
        assert_near(at(at(c, "ci95"), "1"), w->high, 1e-8);
}

static const struct wanted two_arms[] = {
    { -0.29125, 0.135903064193, 0.0078125, -0.406666667, -0.166666667, "better" },
    { 0.00125, 0.136845846536, 1, -0.13, 0.115, "undetermined" },
};

static void test_two_arms(void **state)
{
    (void)state;
    for (int arm = 1; arm <= 2; arm++) {
        struct study s;
        begin(&s, COMPARE("0.05"));
        fill(&s, arm, arm, 1, 8);
        json_t *r = report(&s);
        assert_claim(at(at(r, "primary"), "0"), "p", 8, &two_arms[arm - 1]);
        /* one point, one arm: nothing to adjust for */
        assert_claim(at(at(r, "comparisons"), "0"), "p_adjusted", 8, &two_arms[arm - 1]);
        assert_verdict(r, two_arms[arm - 1].verdict, "");
        json_decref(r);
    }
}

/* Sentences, and seeds needed (SciPy, for sd 0.1359 and 0.1368 of eight pairs, margin 0.05). */
static void test_sentences(void **state)
{
    (void)state;
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 2, 1, 8);
    json_t *r = report(&s);
    assert_verdict(r, "mixed",
                   "a1 is better than a0 at L = 128: val/loss Δ = −0.29 [−0.41, −0.17] (−13.6 %), "
                   "n = 8, p = 0.008 (adjusted over 2 claims); better in 8 of 8 seeds. a2 and a0 "
                   "can't be told apart at L = 128: val/loss Δ = 0.00 [−0.13, 0.11], n = 8; 32 to "
                   "192 seeds for an 80 % chance of detecting ±0.05.");
    assert_int_equal(json_integer_value(at(at(at(r, "primary"), "0"), "needed_seeds")), 60);
    assert_int_equal(json_integer_value(at(r, "needed_seeds")), 61);
    assert_int_equal(json_integer_value(at(at(r, "needed_seeds_range"), "0")), 32);
    assert_int_equal(json_integer_value(at(at(r, "needed_seeds_range"), "1")), 192);
    assert_text(at(at(r, "would_change"), "0"),
                "a1 against a0: only with a margin of more than 0.39");
    assert_text(at(at(r, "would_change"), "1"),
                "a2 against a0: 32 to 192 seeds give an 80 % chance of detecting ±0.05, by the "
                "spread so far (sd 0.14 from 8 pairs).");
    json_decref(r);
}

static void test_five_arms(void **state)
{
    (void)state;
    static const struct wanted secondary[] = {
        { -0.29125, NAN, 0.0078125, -0.406666667, -0.166666667, "better" },
        { 0.00125, NAN, 1, -0.13, 0.115, "undetermined" },
        { 0.12625, NAN, 0.0546875, 0.025, 0.213333333, "undetermined" },
        { 0.3625, NAN, 0.0078125, 0.286666667, 0.443333333, "worse" },
        { -0.3275, NAN, 0.0078125, -0.44, -0.2, "better" },
        { 0.00125, NAN, 1, -0.085, 0.09, "undetermined" },
        { 0.05375, NAN, 0.5234375, -0.033333333, 0.155, "undetermined" },
        { 0.39875, NAN, 0.0078125, 0.28, 0.5, "worse" },
    };
    static const struct wanted primary[] = {
        { -0.309375, 0.066892103954, 0.0078125, -0.373333333, -0.2525, "better" },
        { 0.00125, 0.046425824095, 1, -0.036666667, 0.041666667, "undetermined" },
        { 0.09, 0.071564157030, 0.03125, 0.021666667, 0.158333333, "worse" },
        { 0.380625, 0.065652630238, 0.0078125, 0.321666667, 0.438333333, "worse" },
    };
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 4, 2, 8);
    json_t *r = report(&s);
    assert_int_equal(json_array_size(at(r, "comparisons")), 8);
    for (size_t i = 0; i < 8; i++)
        assert_claim(json_array_get(at(r, "comparisons"), i), "p_adjusted", 8, &secondary[i]);
    for (size_t i = 0; i < 4; i++) {
        json_t *c = json_array_get(at(r, "primary"), i);
        assert_claim(c, "p_adjusted", 8, &primary[i]);
        assert_near(at(c, "p_equivalent"), i == 1 ? 0.0546875 : 1, 1e-12);
        assert_int_equal(json_integer_value(at(c, "adjusted_over")), 4);
    }
    assert_near(at(json_array_get(at(r, "comparisons"), 5), "p_equivalent"), 0.49609375, 1e-12);
    assert_verdict(r, "mixed", "a1 is better than a0 at L = 128: val/loss Δ = −0.309");
    assert_verdict(r, "mixed", "p = 0.008 (adjusted over 4 claims); better in 8 of 8 seeds.");
    assert_verdict(r, "mixed", "a2 and a0 can't be told apart");
    json_decref(r);

    /* alone, the same differences are equivalent */
    begin(&s, COMPARE("0.05"));
    fill(&s, 2, 2, 2, 8);
    r = report(&s);
    assert_verdict(r, "equivalent", "a2 and a0 are equivalent within ±0.05");
    json_decref(r);
}

/* A run that one arm alone has lost counts against it: at its point, and in the mean over the grid. */
static void test_lost_by_one(void **state)
{
    (void)state;
    static const struct wanted at_point = { 0.007142857143, 0.104357444346, 1,
                                            -0.125,         0.116666667,    "undetermined" };
    static const struct wanted primary = { 0.007142857143, 0.046802523334, 0.9921875,
                                           -0.0525,        0.055,          "undetermined" };
    static const double adjusted[] = { 0.0078125, 1, 0.0625,  0.0078125,
                                       0.0078125, 1, 0.53125, 0.0078125 };
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 4, 2, 8);
    end_as(&s, find(&s, "a2", 1, 3), RUN_FAILED);
    json_t *r = report(&s);
    assert_claim(json_array_get(at(r, "comparisons"), 5), "p_adjusted", 7, &at_point);
    assert_near(at(json_array_get(at(r, "comparisons"), 5), "p"), 0.7734375, 1e-12);
    for (size_t i = 0; i < 8; i++)
        assert_near(at(json_array_get(at(r, "comparisons"), i), "p_adjusted"), adjusted[i], 1e-12);
    json_t *c = json_array_get(at(r, "primary"), 1);
    assert_claim(c, "p_adjusted", 7, &primary);
    assert_near(at(c, "p_equivalent"), 0.16015625, 1e-12);
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "one_sided")), 1);
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "lost")), 0);
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "planned")), 8);
    assert_int_equal(json_array_size(at(c, "differences")), 7);
    assert_text(at(c, "sentence"),
                "; 1 pair whose run was lost in one arm only counts against it.");
    assert_int_equal(json_integer_value(at(at(at(at(r, "arms"), "a2"), "counts"), "failed")), 1);
    assert_text(
        at(at(r, "remarks"), "0"),
        "1 of 80 planned runs failed. Where the other arm's run of a pair did not, the pair");
    json_decref(r);
}

/* A pair that both have lost is none; its seed is left out of the whole grid. */
static void test_lost_by_both(void **state)
{
    (void)state;
    static const struct wanted at_point = { 0.007142857143, 0.104357444346, 0.90625,
                                            -0.12,          0.105,          "undetermined" };
    static const struct wanted primary = { 0.007142857143, 0.046802523334, 0.734375,
                                           -0.035,         0.05,           "equivalent" };
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 2, 2, 2, 8);
    end_as(&s, find(&s, "a2", 1, 3), RUN_FAILED);
    end_as(&s, find(&s, "a0", 1, 3), RUN_FAILED);
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_claim(json_array_get(at(r, "comparisons"), 1), "p", 7, &at_point);
    assert_claim(c, "p", 7, &primary);
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "one_sided")), 0);
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "lost")), 1);
    assert_text(at(c, "sentence"), "; 1 pair that both arms lost is left out.");
    json_decref(r);
}

/* The three worst of sixteen failing don't make an arm better. */
static void test_losing_the_worst(void **state)
{
    (void)state;
    static const double d[] = { -3, -1, -2, -1, -2, -3, -1, -2, -1, -2, -1, -3, -2, 9, 8, 9 };
    struct study s;
    begin(&s, COMPARE("0.05"));
    for (int64_t seed = 1; seed <= 16; seed++) {
        double value = 20 + d[seed - 1];
        final(add(&s, "a0", "{}", seed, RUN_SUCCEEDED), "val/loss", 20, 20, 20);
        final(add(&s, "a1", "{}", seed, RUN_SUCCEEDED), "val/loss", value, value, value);
    }
    for (size_t i = 0; i < s.in.runs_n; i++)
        if (s.runs[i].seed >= 14 && strcmp(s.runs[i].arm, "a1") == 0)
            end_as(&s, &s.runs[i], RUN_FAILED);
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_int_equal(json_integer_value(at(c, "n")), 13);
    assert_int_equal(json_integer_value(at(c, "agree")), 13);
    assert_string_equal(json_string_value(at(c, "verdict")), "undetermined");
    json_decref(r);
}

/* As if the seed weren't used: sd 0 isn't certainty. */
static void test_no_variance(void **state)
{
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        struct study s;
        begin(&s, COMPARE("0.05"));
        for (int64_t seed = 1; seed <= 8; seed++) {
            double value = 2 + 0.0097 * apart;
            final(add(&s, "a0", "{}", seed, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
            final(add(&s, "a1", "{}", seed, RUN_SUCCEEDED), "val/loss", value, value, value);
        }
        json_t *r = report(&s), *c = at(at(r, "primary"), "0");
        if (apart) {
            assert_verdict(r, "undetermined", ", the same in every seed: ");
            assert_string_equal(json_string_value(at(c, "against")), "no_variance");
        } else { /* no difference at all */
            assert_verdict(r, "equivalent", "a1 and a0 are equivalent within ±0.05");
            assert_true(json_is_null(at(c, "against")));
        }
        json_decref(r);
    }
}

/* The best of many evaluations is invalid; of a test metric, which is measured once, it is that one. */
static void test_best(void **state)
{
    (void)state;
    for (int test = 0; test < 2; test++) {
        const char *metric = test ? "test/loss" : "val/loss";
        struct study s;
        begin(&s, test ? "{\"metric\":\"test/loss\",\"goal\":\"min\",\"at\":\"best\","
                         "\"baseline\":\"a0\",\"margin\":0.05}"
                       : "{\"metric\":\"val/loss\",\"goal\":\"min\",\"at\":\"best\","
                         "\"baseline\":\"a0\",\"margin\":0.05}");
        for (int64_t seed = 1; seed <= 8; seed++)
            for (int arm = 0; arm < 2; arm++) {
                double value = loss(arm, 0, seed);
                final(add(&s, arms[arm], "{}", seed, RUN_SUCCEEDED), metric, value, value, value);
            }
        json_t *r = report(&s), *c = at(at(r, "primary"), "0");
        if (test) {
            assert_verdict(r, "better", "");
        } else {
            assert_verdict(r, "invalid",
                           "a1 can't be compared with a0 at L = 128: \"at\": \"best\" takes");
            assert_string_equal(json_string_value(at(c, "against")), "best");
            assert_text(at(at(r, "would_change"), "0"), "\"at\": \"last\" in compare");
        }
        json_decref(r);
    }
}

/* One seed in ten makes the mean: the median says otherwise. */
static void test_skew(void **state)
{
    (void)state;
    static const double d[] = { 0.01, 0.02, 0.015, 0.01, 0.02, 0.03, 0.01, 0.02, 0.015, -2 };
    struct study s;
    begin(&s, COMPARE("0.05"));
    for (int64_t seed = 1; seed <= 10; seed++) {
        double value = 4 + d[seed - 1];
        final(add(&s, "a0", "{}", seed, RUN_SUCCEEDED), "val/loss", 4, 4, 4);
        final(add(&s, "a1", "{}", seed, RUN_SUCCEEDED), "val/loss", value, value, value);
    }
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_true(json_is_true(at(c, "skewed")));
    assert_near(at(c, "median_difference"), 0.015, 1e-9);
    assert_text(at(c, "sentence"), "; but the differences are skewed: their median is 0.0");
    json_decref(r);
    begin(&s, COMPARE("0.05"));
    fill(&s, 4, 4, 1, 16);
    r = report(&s);
    assert_true(json_is_false(at(at(at(r, "primary"), "0"), "skewed")));
    json_decref(r);
}

/* The adjusted p when one row has lost a seed, or has it cancelled: the greater of the two sides. */
static void test_adjusted_with_gaps(void **state)
{
    (void)state;
    static const struct {
        const char *arm;
        enum run_state end;
        double first, third, seventh;
    } cases[] = { { "a3", RUN_FAILED, 0.0078125, 0.6171875, 0.5703125 },
                  { "a3", RUN_CANCELLED, 0.0078125, 0.6171875, 0.5703125 },
                  { "a1", RUN_FAILED, 0.453125, 0.0703125, 0.546875 },
                  { "a1", RUN_CANCELLED, 0.453125, 0.0703125, 0.546875 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct study s;
        begin(&s, COMPARE("0.05"));
        fill(&s, 1, 4, 2, 8);
        end_as(&s, find(&s, cases[i].arm, 0, 5), cases[i].end);
        json_t *r = report(&s), *list = at(r, "comparisons");
        assert_near(at(json_array_get(list, 0), "p_adjusted"), cases[i].first, 1e-12);
        assert_near(at(json_array_get(list, 2), "p_adjusted"), cases[i].third, 1e-12);
        assert_near(at(json_array_get(list, 6), "p_adjusted"), cases[i].seventh, 1e-12);
        json_decref(r);
    }
}

/* The cancelled pair counts for either side in turn: p is the greater, the interval spans both, and
 * what eight seeds had shown seven and a cancelled one don't. */
static void test_cancelled_run(void **state)
{
    (void)state;
    static const struct wanted w = { -0.321428571429, NAN, 0.09375, -0.445, 0.045, "undetermined" };
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 1, 1, 8);
    end_as(&s, find(&s, "a1", 0, 8), RUN_CANCELLED);
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_claim(c, "p", 7, &w);
    assert_claim(at(at(r, "comparisons"), "0"), "p_adjusted", 7, &w);
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "cancelled")), 1);
    assert_text(at(at(r, "remarks"), "0"),
                "1 of 16 planned runs was cancelled before they ended; their pairs count against");
    assert_text(at(at(r, "would_change"), "0"), "Retrying the 1 run that failed or was cancelled");
    json_decref(r);

    /* Many cancelled ones never turn a claim round. */
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 1, 1, 30);
    for (int64_t seed = 7; seed <= 30; seed++)
        end_as(&s, find(&s, "a0", 0, seed), RUN_CANCELLED);
    r = report(&s);
    c = at(at(r, "primary"), "0");
    assert_int_equal(json_integer_value(at(c, "n")), 6);
    assert_string_equal(json_string_value(at(c, "verdict")), "undetermined");
    json_decref(r);
}

static void diverge(struct run_row *run)
{
    run->finals[0].value = run->seed % 2 == 0 ? (double)NAN : (double)INFINITY;
}

static void test_diverged_run(void **state)
{
    (void)state;
    /* one seed of eight: nothing can be said any more, least of all that the arm is better */
    static const struct wanted one = { INFINITY, NAN, 1, NAN, INFINITY, "undetermined" };
    /* six of eight, the other two better: worse */
    static const struct wanted six = { INFINITY, NAN, 0.03125, NAN, INFINITY, "worse" };
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 1, 1, 8);
    diverge(find(&s, "a1", 0, 4));
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_claim(c, "p", 8, &one);
    assert_int_equal(json_integer_value(at(c, "agree")), 7);
    assert_text(at(c, "sentence"), "; diverged, counted as worst: 1 of a1, 0 of a0.");
    assert_text(at(at(r, "remarks"), "0"), "Diverged: 1 of 8 runs of a1 at L = 64. Their val/loss");
    assert_int_equal(json_integer_value(at(json_array_get(at(r, "table"), 1), "diverged")), 1);
    json_decref(r);

    for (int64_t seed = 3; seed <= 8; seed++)
        diverge(find(&s, "a1", 0, seed));
    r = report(&s);
    assert_claim(at(at(r, "primary"), "0"), "p", 8, &six);
    json_decref(r);

    /* Both arms diverged: ties, which are no evidence, and no interval of theirs is infinite. */
    for (int64_t seed = 1; seed <= 8; seed++) {
        diverge(find(&s, "a0", 0, seed));
        diverge(find(&s, "a1", 0, seed));
    }
    r = report(&s);
    c = at(at(r, "primary"), "0");
    assert_near(at(c, "p"), 1, 0);
    assert_near(at(c, "mean_difference"), 0, 0);
    assert_int_equal(json_integer_value(at(c, "agree")), 0);
    json_decref(r);
}

static void test_one_seed(void **state)
{
    (void)state;
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 4, 4, 2, 1);
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_int_equal(json_integer_value(at(c, "n")), 1);
    assert_true(json_is_null(at(c, "p")) && json_is_null(at(c, "ci95")) &&
                json_is_null(at(c, "sd")) && json_is_null(at(c, "needed_seeds")));
    assert_verdict(r, "undetermined", "fewer than 6 seeds can't reach 5 %.");
    assert_text(at(at(r, "would_change"), "0"),
                "a4 against a0: a claim needs 6 seeds in which both runs end; there is 1.");
    json_decref(r);
}

static void test_ties(void **state)
{
    (void)state;
    static const double d[] = { 0, 0, 0.1, 0.1, -0.1, 0.2, 0.2 };
    static const struct wanted w = { 0.071428571429, 0.111269728053, 0.25, -0.05, 0.2,
                                     "undetermined" };
    struct study s;
    begin(&s, COMPARE("0.05"));
    for (int64_t seed = 1; seed <= 7; seed++) {
        double value = 2 + d[seed - 1];
        final(add(&s, "a0", "{}", seed, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
        final(add(&s, "a1", "{}", seed, RUN_SUCCEEDED), "val/loss", value, value, value);
    }
    json_t *r = report(&s);
    assert_claim(at(at(r, "primary"), "0"), "p", 7, &w);
    assert_int_equal(json_integer_value(at(at(at(r, "primary"), "0"), "agree")), 1);
    json_decref(r);
}

/* Drawn flips: within five standard errors of the exact p, and always the same. */
static void test_seventeen_seeds(void **state)
{
    (void)state;
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 2, 2, 1, 17);
    json_t *r = report(&s), *again = report(&s), *c = at(at(r, "primary"), "0");
    assert_int_equal(json_integer_value(at(c, "n")), 17);
    assert_near(at(c, "p"), 0.624237060547, 5 * sqrt(0.25 / 65536));
    assert_near(at(at(c, "ci95"), "0"), -0.044285714, 0.002);
    assert_near(at(at(c, "ci95"), "1"), 0.0725, 0.002);
    assert_near(at(at(c, "ci90"), "0"), -0.03375, 0.002);
    assert_near(at(at(c, "ci90"), "1"), 0.061666667, 0.002);
    assert_true(json_equal(r, again));
    json_decref(r);
    json_decref(again);
}

/* Nothing is claimed before every planned run has ended, whatever the figures. */
static void test_open(void **state)
{
    (void)state;
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 1, 1, 1, 9);
    end_as(&s, find(&s, "a1", 0, 9), RUN_RUNNING);
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_verdict(r, "open", "17 of 18 runs have ended");
    assert_string_equal(json_string_value(at(c, "verdict")), "undetermined");
    assert_near(at(c, "mean_difference"), -0.29125, 1e-9); /* looking is free */
    assert_true(json_is_null(at(c, "p")) && json_is_null(at(c, "ci95")));
    assert_true(json_is_null(at(at(at(r, "comparisons"), "0"), "p_adjusted")));
    json_decref(r);
}

/* Compared at its best, a run that ended in NaN diverged all the same. */
static void test_diverged_at_best(void **state)
{
    (void)state;
    struct study s;
    begin(&s, "{\"metric\":\"val/loss\",\"goal\":\"min\",\"at\":\"best\",\"baseline\":\"a0\","
              "\"margin\":0.05}");
    fill(&s, 1, 1, 1, 8);
    struct run_final *f = &find(&s, "a1", 0, 3)->finals[0];
    f->value = NAN;
    f->best = 0.1;
    json_t *r = report(&s), *c = at(at(r, "primary"), "0");
    assert_int_equal(json_integer_value(at(at(c, "pairs"), "diverged")), 1);
    assert_near(at(c, "mean_difference"), INFINITY, 0);
    json_decref(r);
}

static void test_a_tie_is_not_worse(void **state)
{
    (void)state;
    struct study s;
    begin(&s, COMPARE("0.05"));
    fill(&s, 4, 4, 1, 8);
    find(&s, "a4", 0, 3)->finals[0].value = loss(0, 0, 3);
    json_t *r = report(&s);
    assert_verdict(r, "worse", "; worse in 7 of 8 seeds.");
    json_decref(r);
}

/* 0 is no end of an interval that leaves it out. */
static void test_an_end_beside_zero(void **state)
{
    (void)state;
    static const double ends[] = { 0.004, -0.0007, 0 };
    static const char *const told[] = { "[0.004, 0.90]", "[−0.0007, 0.90]", "[0.00, 0.90]" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const double d[] = { ends[i], 0.3, 0.5, 0.7, 0.8, 0.9 };
        struct study s;
        begin(&s, COMPARE("0.05"));
        for (int64_t seed = 1; seed <= 6; seed++) {
            final(add(&s, arms[0], points[0], seed, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
            final(add(&s, arms[1], points[0], seed, RUN_SUCCEEDED), "val/loss", 2 + d[seed - 1], 2,
                  3);
        }
        json_t *r = report(&s);
        assert_text(at(at(r, "verdict"), "sentence"), told[i]);
        json_decref(r);
    }
}

/* Arms that are one thing under two names: whatever the margin, unless it is 0. */
static void test_arms_that_are_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *compare, *verdict, *change;
    } rows[] = {
        { COMPARE("0"), "undetermined", ": any margin above 0 would make it equivalent." },
        { COMPARE("0.05"), "equivalent", ": a margin of 0 would undo it, and no other: " },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct study s;
        begin(&s, rows[i].compare);
        for (int64_t seed = 1; seed <= 6; seed++)
            for (int arm = 0; arm < 2; arm++)
                final(add(&s, arms[arm], points[0], seed, RUN_SUCCEEDED), "val/loss",
                      2 + (double)seed / 10, 2, 3);
        json_t *r = report(&s);
        assert_verdict(r, rows[i].verdict, "val/loss Δ = 0.000 [0.000, 0.000]");
        assert_text(at(at(r, "would_change"), "0"), rows[i].change);
        json_decref(r);
    }
}

#define LOOKED(looks)                                                                              \
    "{\"seeds\":[1,2,3,4,5,6,7,8],\"compare\":{\"metric\":\"val/loss\",\"goal\":\"min\",\"at\":"   \
    "\"last\",\"baseline\":\"a0\",\"margin\":0.05" looks "}}"

/* Seeds that were added: at a declared look each test has its share of 5 %, else there is no claim. */
static void test_looks(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int64_t seeds;
        const char *verdict, *words, *against;
        double level;
    } rows[] = {
        { LOOKED(""), 8, "better", "better in 8 of 8 seeds", NULL, 0.05 },
        { LOOKED(""), 16, "undetermined",
          "; 8 seeds were added to the 8 that were submitted, and compare.looks had not "
          "declared 16.",
          "seeds_added", 0.05 },
        { LOOKED(",\"looks\":[8,16]"), 8, "better", ", at look 1 of 2 (2.5 %); better in", NULL,
          0.025 },
        { LOOKED(",\"looks\":[8,16]"), 16, "better", ", at look 2 of 2 (2.5 %); better in", NULL,
          0.025 },
        { LOOKED(",\"looks\":[8,16]"), 12, "undetermined", "had not declared 12.", "seeds_added",
          0.025 },
        /* p is 2/2^8 = 0.0078: more than 5 % of eight looks */
        { LOOKED(",\"looks\":[8,9,10,11,12,13,14,15]"), 8, "undetermined", "can't be told apart",
          NULL, 0.00625 },
        /* 2/2^6 = 0.031 is as little as six seeds can reach: more than 5 % of two looks */
        { LOOKED(",\"looks\":[6,8]"), 6, "undetermined",
          ", n = 6, and fewer than 7 seeds can't reach the 2.5 % of a look", NULL, 0.025 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct study s;
        begin(&s, COMPARE("0.05"));
        with_spec(&s, rows[i].spec);
        fill(&s, 1, 1, 1, rows[i].seeds);
        json_t *r = report(&s), *c = at(at(r, "primary"), "0"), *against = at(c, "against");
        assert_verdict(r, rows[i].verdict, rows[i].words);
        assert_near(at(at(r, "looks"), "level"), rows[i].level, 1e-12);
        if (rows[i].against != NULL)
            assert_string_equal(json_string_value(against), rows[i].against);
        else
            assert_true(json_is_null(against));
        assert_true(json_is_array(at(c, "ci95"))); /* the pooled interval */
        json_decref(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diverged_at_best),
        cmocka_unit_test(test_a_tie_is_not_worse),
        cmocka_unit_test(test_two_arms),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_five_arms),
        cmocka_unit_test(test_lost_by_one),
        cmocka_unit_test(test_lost_by_both),
        cmocka_unit_test(test_losing_the_worst),
        cmocka_unit_test(test_no_variance),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_an_end_beside_zero),
        cmocka_unit_test(test_arms_that_are_the_same),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_cancelled_run),
        cmocka_unit_test(test_adjusted_with_gaps),
        cmocka_unit_test(test_diverged_run),
        cmocka_unit_test(test_one_seed),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_seventeen_seeds),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests_name("claims", tests, NULL, NULL);
}
