/* Audits that compare runs, over experiments made here: each passes as it should, and fails for the
 * fault that was planted. */
#include "tests/unit/server/fixture.h"

#include "common/jsonx.h"
#include "common/tuning.h"
#include "server/report/stats.h"
#include "server/runs/fairness.h"

#include <math.h>

enum { RUNS = 64, ARMS = 3 };

/* An experiment in memory. Specs are those of `spec` with an arm's and a grid point's values. */
struct study {
    const char *arms[ARMS], *points[4];
    const char *more[ARMS];  /* of each arm: fields of "model", or NULL */
    const char *train[ARMS]; /* … of "train" */
    const char *init[RUNS];  /* JSON by run; NULL = not told */
    char consumed[RUNS][32], eval[RUNS][32];
    struct fact_row runs[RUNS];
    size_t runs_n, arms_n, points_n;
    json_t *spec, *reported;
    struct audit_row *found;
    size_t found_n;
};

static const char init_dense[] = "{\"embed.weight\":\"257x32:aa\",\"norm.weight\":\"32:bb\"}";
static const char init_dsa[] = "{\"embed.weight\":\"257x32:aa\",\"indexer\":\"8x32:cc\","
                               "\"norm.weight\":\"32:bb\"}";

static json_t *load(const char *text)
{
    json_t *json = NULL;
    struct err err;
    if (jsonx_load(text, strlen(text), &json, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return json;
}

/* Every run succeeded, told the same of itself as the others of its seed and point, and measured
 * 1. */
static void begin(struct study *s, const char *spec, size_t arms, size_t seeds,
                  const char *const *points)
{
    static const char *const names[ARMS] = { "dense", "dsa", "third" };
    *s = (struct study){ .arms_n = arms, .spec = load(spec), .reported = json_object() };
    memcpy(s->arms, names, sizeof names);
    s->more[1] = ",\"attention\":{\"kind\":\"dsa\"}";
    while (points[s->points_n] != NULL) {
        s->points[s->points_n] = points[s->points_n];
        s->points_n++;
    }
    for (size_t seed = 0; seed < seeds; seed++)
        for (size_t point = 0; point < s->points_n; point++)
            for (size_t arm = 0; arm < arms; arm++) {
                size_t i = s->runs_n++;
                assert_true(i < RUNS);
                snprintf(s->consumed[i], 32, "c%zu", seed);
                snprintf(s->eval[i], 32, "e");
                s->init[i] = arm == 1 ? init_dsa : init_dense;
                s->runs[i] = (struct fact_row){ .run = (int64_t)i + 1,
                                                .seed = 40 + (int64_t)seed,
                                                .state = RUN_SUCCEEDED,
                                                .arm = (char *)(uintptr_t)s->arms[arm],
                                                .grid = (char *)(uintptr_t)s->points[point],
                                                .consumed = s->consumed[i],
                                                .eval = s->eval[i],
                                                .measured = true,
                                                .value = 1 };
            }
}

static struct fact_row *run_at(struct study *s, size_t seed, size_t point, size_t arm)
{
    return &s->runs[(seed * s->points_n + point) * s->arms_n + arm];
}

/* Frozen, as the store has it. */
static int spec_of(void *arg, int64_t run, json_t **ret, struct err *err)
{
    const struct study *s = arg;
    size_t arm = (size_t)(run - 1) % s->arms_n;
    json_t *grid = load(s->runs[run - 1].grid);
    const json_t *lr = json_object_get(grid, "train.lr");
    char text[1024];
    struct run_spec spec;
    snprintf(text, sizeof text,
             "{\"data\":{\"dataset\":\"x\"},\"model\":{\"d_model\":32,\"heads\":2%s},\"train\":{"
             "\"lr\":%g%s},\"seed\":1}",
             s->more[arm] != NULL ? s->more[arm] : "", lr != NULL ? json_number_value(lr) : 0.003,
             s->train[arm] != NULL ? s->train[arm] : "");
    json_t *json = load(text);
    int status = run_spec_decode(json, "", &spec, err);
    json_decref(json);
    json_decref(grid);
    if (status == 0)
        *ret = run_spec_encode(&spec);
    return status;
}

static int init_of(void *arg, int64_t run, json_t **ret, struct err *err)
{
    const struct study *s = arg;
    (void)err;
    *ret = s->init[run - 1] != NULL ? load(s->init[run - 1]) : NULL;
    return 0;
}

static void forget(struct study *s)
{
    for (size_t i = 0; i < s->found_n; i++)
        audit_row_done(&s->found[i]);
    free(s->found);
    s->found = NULL;
    s->found_n = 0;
}

static void look(struct study *s)
{
    struct err err = { 0 };
    const struct fairness_input in = {
        s->spec, s->runs, s->runs_n, s->reported, spec_of, init_of, s
    };
    forget(s);
    assert_ok(fairness_find(&in, &s->found, &s->found_n, &err), err);
}

static void end(struct study *s)
{
    forget(s);
    json_decref(s->spec);
    json_decref(s->reported);
}

/* The only finding of that name. */
static const struct audit_row *only(const struct study *s, const char *name)
{
    const struct audit_row *row = NULL;
    for (size_t i = 0; i < s->found_n; i++)
        if (strcmp(s->found[i].name, name) == 0) {
            assert_null(row);
            row = &s->found[i];
        }
    if (row == NULL)
        fail_msg("there is no %s", name);
    return row;
}

static void expect(struct study *s, const char *name, const char *status, const char *detail)
{
    look(s);
    const struct audit_row *row = only(s, name);
    if (strcmp(row->status, status) != 0 || strstr(row->detail, detail) == NULL)
        fail_msg("%s %s: %s", name, row->status, row->detail);
    assert_null(row->arm);
    assert_null(row->grid);
    assert_int_equal(row->run, 0);
}

static json_t *evidence(const struct study *s, const char *name)
{
    return load(only(s, name)->evidence);
}

static int64_t count(const struct study *s, const char *name, const char *key)
{
    json_t *e = evidence(s, name);
    json_t *value = json_object_get(e, key);
    assert_true(json_is_integer(value));
    int64_t n = json_integer_value(value);
    json_decref(e);
    return n;
}

static void expect_first(const struct study *s, const char *name, const char *text)
{
    json_t *e = evidence(s, name), *wanted = load(text);
    if (!json_equal(json_object_get(e, "first"), wanted))
        fail_msg("%s", only(s, name)->evidence);
    json_decref(e);
    json_decref(wanted);
}

static const char *const no_grid[] = { "{}", NULL };
static const char *const lengths[] = { "{\"data.seq_len\":64}", "{\"data.seq_len\":128}", NULL };
static const char *const rates[] = { "{\"train.lr\":0.001}", "{\"train.lr\":0.002}",
                                     "{\"train.lr\":0.004}", NULL };
static const char plain[] = "{\"compare\":{\"metric\":\"val/loss\",\"baseline\":\"dense\"}}";
static const char tuned[] = "{\"compare\":{\"baseline\":\"dense\",\"goal\":\"min\",\"tune\":["
                            "\"train.lr\"]},\"grid\":{\"train.lr\":[0.001,0.002,0.004]}}";

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

static void test_untuned(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    expect(&s, "tuning", "warn", "every arm used lr 0.003; nothing was tuned");
    end(&s);
    begin(&s, plain, 2, 1, rates);
    expect(&s, "tuning", "warn", "every arm used lr 0.001, 0.002, 0.004; nothing was tuned");
    end(&s);
}

static void test_tuning(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 2, rates);
    for (size_t seed = 0; seed < 2; seed++)
        for (size_t arm = 0; arm < 2; arm++)
            run_at(&s, seed, 1, arm)->value = 0.5;
    expect(&s, "tuning", "pass", "every arm was tried with 3 configurations");

    run_at(&s, 0, 2, 1)->value = 0.1; /* means: 0.55 there, 0.5 in the middle */
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 1, 2, 1)->value = 0.8;
    expect(&s, "tuning", "warn",
           "dsa chose train.lr 0.004, at the edge of what was tried (0.001, 0.002, 0.004)");
    json_t *e = evidence(&s, "tuning");
    const json_t *chosen = json_array_get(json_object_get(e, "chosen"), 1);
    assert_true(fabs(json_number_value(json_object_get(chosen, "mean")) - 0.45) < 1e-12);
    assert_true(json_number_value(json_object_get(json_object_get(chosen, "values"), "train.lr")) ==
                0.004);
    json_decref(e);

    run_at(&s, 0, 2, 1)->value = NAN; /* one that diverged isn't chosen */
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 0, 2, 1)->value = 1;
    run_at(&s, 0, 0, 1)->value = NAN; /* nor does it stand in the way of others */
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 0, 0, 1)->value = 1;

    for (size_t seed = 0; seed < 2; seed++) /* the best, as far as it got; then cancelled */
        run_at(&s, seed, 2, 1)->value = 0.1;
    run_at(&s, 1, 2, 1)->state = RUN_FAILED;
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 1, 2, 1)->state = RUN_CANCELLED;
    expect(&s, "tuning", "warn", "dsa chose train.lr 0.004");
    run_at(&s, 1, 2, 1)->state = RUN_SUCCEEDED;
    run_at(&s, 0, 2, 1)->value = run_at(&s, 1, 2, 1)->value = 1;
    run_at(&s, 0, 0, 1)->value = NAN;
    for (size_t seed = 0; seed < 2; seed++)
        run_at(&s, seed, 0, 1)->state = RUN_FAILED;
    expect(&s, "tuning", "warn", "2 configurations of dsa were measured, but 3 of dense");
    for (size_t i = 0; i < s.runs_n; i++)
        s.runs[i].measured = false;
    expect(&s, "tuning", "skipped", "no configuration");
    end(&s);
}

static void test_tuning_upwards(void **state)
{
    (void)state;
    struct tuning_metrics metrics;
    struct study s;
    begin(&s,
          "{\"compare\":{\"metric\":\"test/accuracy\",\"goal\":\"max\",\"tune\":[\"train.lr\"]},"
          "\"grid\":{\"train.lr\":[0.001,0.002,0.004]}}",
          2, 1, rates);
    tuning_metrics(s.spec, &metrics);
    assert_string_equal(metrics.chosen_by, "val/accuracy"); /* never chosen by the test */
    assert_string_equal(metrics.compared, "test/accuracy");
    run_at(&s, 0, 1, 0)->value = run_at(&s, 0, 1, 1)->value = 2;
    expect(&s, "tuning", "pass", "3 configurations");
    run_at(&s, 0, 1, 1)->value = 0.5;
    expect(&s, "tuning", "warn", "dsa chose train.lr 0.001");
    end(&s);
}

static void test_power(void **state)
{
    (void)state;
    static const struct {
        size_t seeds;
        const char *status;
        double p;
    } rows[] = { { 1, "fail", 1 },
                 { 2, "fail", 0.5 },
                 { 5, "fail", 0.0625 },
                 { 6, "pass", 0.03125 },
                 { 8, "pass", 0.0078125 } };
    struct study s;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(&s, plain, 2, rows[i].seeds, lengths);
        expect(&s, "power", rows[i].status, "the smallest p that can be reached is");
        json_t *e = evidence(&s, "power");
        assert_true(json_number_value(json_object_get(e, "smallest_p")) == rows[i].p);
        assert_int_equal(json_integer_value(json_object_get(e, "comparisons")), 2);
        json_decref(e);
        end(&s);
    }
    begin(&s, plain, 3, 8, no_grid);
    for (size_t seed = 0; seed < 3; seed++) /* lost in one arm alone */
        run_at(&s, seed, 0, 2)->state = seed == 0 ? RUN_CANCELLED : RUN_FAILED;
    expect(&s, "power", "fail", "of 8 seeds 5 can be paired between third and dense");
    assert_non_null(strstr(only(&s, "power")->detail, "at least 6 seeds"));
    end(&s);
}

static void test_power_counts_what_was_chosen(void **state)
{
    (void)state;
    struct study s;
    begin(&s, tuned, 2, 6, rates);
    for (size_t seed = 0; seed < 6; seed++)
        run_at(&s, seed, 1, 0)->value = run_at(&s, seed, 1, 1)->value = 0.5;
    run_at(&s, 0, 2, 1)->state = RUN_FAILED; /* at a rate that nobody chose */
    expect(&s, "power", "pass", "0.031");
    run_at(&s, 0, 1, 1)->state = RUN_FAILED; /* then another one is chosen */
    run_at(&s, 0, 2, 1)->state = RUN_SUCCEEDED;
    expect(&s, "power", "pass", "0.031");
    run_at(&s, 0, 1, 1)->state = RUN_CANCELLED;
    expect(&s, "power", "fail", "5 can be paired");
    end(&s);
}

/* The floor that power rests on: with clear differences, however many, max-|t| leaves 2/2^n. */
static void test_adjusting_does_not_raise_the_floor(void **state)
{
    (void)state;
    enum { M = 9, N = 6 };
    struct stats_flips flips = { 0 };
    double d[M * N], p[M];
    struct err err;
    for (size_t c = 0; c < M; c++)
        for (size_t seed = 0; seed < N; seed++)
            d[c * N + seed] = 1 + (double)c + 0.01 * (double)((c * 7 + seed * 3) % 5);
    assert_ok(stats_adjusted(&flips, d, M, N, p, &err), err);
    for (size_t c = 0; c < M; c++)
        assert_true(p[c] == 2.0 / 64);
    assert_ok(stats_adjusted(&flips, d, M, N - 1, p, &err), err); /* other rows, one seed fewer */
    for (size_t c = 0; c < M; c++)
        assert_true(p[c] >= 2.0 / 32);
    stats_flips_done(&flips);
}

static size_t missing(const struct study *s, const char *name, const char *arm, const char *detail)
{
    size_t n = 0;
    for (size_t i = 0; i < s->found_n; i++) {
        const struct audit_row *row = &s->found[i];
        bool whose = arm == NULL ? row->arm == NULL : row->arm && strcmp(row->arm, arm) == 0;
        if (strcmp(row->name, name) != 0 || !whose)
            continue;
        assert_string_equal(row->status, "skipped");
        assert_int_equal(row->grid == NULL, strcmp(name, "replay") == 0);
        if (strstr(row->detail, detail) == NULL)
            fail_msg("%s", row->detail);
        n++;
    }
    return n;
}

static void report(struct study *s, const char *name, const char *arm, const char *grid)
{
    char *key = audit_key(name, arm, grid);
    json_object_set_new(s->reported, key, json_true());
    free(key);
}

static void test_audits_that_nobody_made(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 2, lengths);
    run_at(&s, 0, 1, 1)->state = RUN_CANCELLED;
    run_at(&s, 1, 0, 0)->state = RUN_FAILED; /* a second seed has no audits to make */
    for (size_t point = 0; point < 2; point++) {
        report(&s, "split_overlap", NULL, lengths[point]);
        for (size_t arm = 0; arm < 2; arm++)
            for (size_t i = 0; i < 4 && (point == 0 || arm == 0); i++)
                report(&s,
                       (const char *const[]){ "causality", "entropy_floor", "dense_equivalence",
                                              "indexer_learns" }[i],
                       s.arms[arm], lengths[point]);
    }
    look(&s);
    static const char why[] = "run 4, which was to make this audit, was cancelled before it did";
    assert_int_equal(missing(&s, "causality", "dsa", why), 1);
    assert_int_equal(missing(&s, "entropy_floor", "dsa", why), 1);
    assert_int_equal(missing(&s, "dense_equivalence", "dsa", why), 1);
    assert_int_equal(missing(&s, "indexer_learns", "dsa", why), 1);
    assert_int_equal(missing(&s, "causality", "dense", ""), 0);
    assert_int_equal(missing(&s, "split_overlap", NULL, ""), 0);
    assert_int_equal(missing(&s, "replay", "dense", "run 1, which was to make"), 1);
    report(&s, "replay", "dense", NULL); /* of another run of the arm, resumed */
    look(&s);
    assert_int_equal(missing(&s, "replay", "dense", ""), 0);
    assert_int_equal(missing(&s, "replay", "dsa", "run 2, which was to make"), 1);

    json_object_clear(s.reported);
    run_at(&s, 0, 0, 0)->state = RUN_FAILED;
    look(&s);
    assert_int_equal(missing(&s, "causality", "dense", "run "), 2);
    assert_int_equal(missing(&s, "dense_equivalence", "dense", "run "), 2);
    assert_int_equal(missing(&s, "indexer_learns", "dense", ""), 0);
    assert_int_equal(missing(&s, "split_overlap", NULL, "run "), 2); /* once a grid point */
    end(&s);
}

/* 600 grid points, two arms: a row an arm, not 3,000. */
static void test_very_many_gaps_are_told_together(void **state)
{
    (void)state;
    enum { POINTS = 600 };
    static struct fact_row runs[2 * POINTS];
    static char grids[POINTS][32];
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    for (size_t i = 0; i < 2 * POINTS; i++) {
        snprintf(grids[i / 2], 32, "{\"train.lr\":%zu}", i / 2 + 1);
        runs[i] = s.runs[i % 2];
        runs[i].grid = grids[i / 2];
        runs[i].state = RUN_CANCELLED;
        runs[i].run = (int64_t)(i % 2) + 1; /* of whose spec and weights it is */
    }
    struct err err = { 0 };
    const struct fairness_input in = { s.spec, runs, 2 * POINTS, s.reported, spec_of, init_of, &s };
    assert_ok(fairness_find(&in, &s.found, &s.found_n, &err), err);
    assert_int_equal(s.found_n, 5 + 2 + 2 + 1 + 2 + 1 + 2);
    const struct audit_row *row = only(&s, "indexer_learns");
    assert_string_equal(row->arm, "dsa");
    assert_null(row->grid);
    assert_non_null(strstr(row->detail, "nor was it made at 599 other grid points"));
    assert_null(only(&s, "split_overlap")->arm);
    end(&s);
}

static void test_one_arm_has_nothing_to_compare(void **state)
{
    (void)state;
    static const char *const names[] = { "shared_init", "same_batches", "budget", "tuning",
                                         "power" };
    struct study s;
    begin(&s, plain, 1, 6, no_grid);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect(&s, names[i], "skipped", "one arm");
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
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_equal_flops),
        cmocka_unit_test(test_untuned),
        cmocka_unit_test(test_tuning),
        cmocka_unit_test(test_tuning_upwards),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_power_counts_what_was_chosen),
        cmocka_unit_test(test_adjusting_does_not_raise_the_floor),
        cmocka_unit_test(test_audits_that_nobody_made),
        cmocka_unit_test(test_very_many_gaps_are_told_together),
        cmocka_unit_test(test_one_arm_has_nothing_to_compare),
    };
    return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
