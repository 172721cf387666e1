/* Experiments made in memory for tests of the audits that compare runs: `begin` makes one in which
 * nothing is wrong, a test plants a fault, `expect` looks at what is found. */
#ifndef ABLATE_TESTS_FAIRNESS_H
#define ABLATE_TESTS_FAIRNESS_H

#include "tests/unit/server/fixture.h"

#include "common/json/jsonx.h"
#include "common/spec/spec_json.h"
#include "server/verdict/fairness/fairness.h"

#include <math.h>

enum { RUNS = 80, ARMS = 3 };

/* An experiment in memory. Specs are those of `spec` with an arm's and a grid point's values. */
struct study {
    const char *arms[ARMS], *points[4];
    const char *more[ARMS];  /* of each arm: fields of "model", or NULL */
    const char *train[ARMS]; /* … of "train" */
    const char *init[RUNS];  /* JSON by run; NULL = not told */
    bool one_weights;        /* every seed starts from these weights */
    char consumed[RUNS][32], eval[RUNS][32];
    struct digests_row runs[RUNS];
    size_t runs_n, arms_n, points_n;
    struct run_environment environments[RUNS];
    size_t environments_n;
    int (*elsewhere)(void *arg, const char *cell, struct cell_row **ret, size_t *ret_n,
                     struct err *err);
    int (*mean)(void *arg, const char *cell, struct cell_row *row, struct err *err);
    json_t *spec, *reported;
    struct audit_row *found;
    size_t found_n;
};

static const char init_dense[] = "{\"embed.weight\":\"257x32:aa\",\"norm.weight\":\"32:bb\"}";
static const char init_dsa[] = "{\"embed.weight\":\"257x32:aa\",\"indexer\":\"8x32:cc\","
                               "\"norm.weight\":\"32:bb\"}";

static inline json_t *load(const char *text)
{
    json_t *json = NULL;
    struct err err;
    if (jsonx_load(text, strlen(text), &json, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return json;
}

/* Every run succeeded, told the same of itself as the others of its seed and point, and measured
 * 1. */
static inline void begin(struct study *s, const char *spec, size_t arms, size_t seeds,
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
                s->runs[i] = (struct digests_row){ .run = (int64_t)i + 1,
                                                   .seed = 40 + (int64_t)seed,
                                                   .state = RUN_SUCCEEDED,
                                                   .arm = (char *)(uintptr_t)s->arms[arm],
                                                   .grid = (char *)(uintptr_t)s->points[point],
                                                   .consumed = s->consumed[i],
                                                   .eval = s->eval[i],
                                                   .windows = 100,
                                                   .measured = true,
                                                   .value = 1,
                                                   .unigram = NAN,
                                                   .bigram = NAN };
            }
}

static inline struct digests_row *run_at(struct study *s, size_t seed, size_t point, size_t arm)
{
    return &s->runs[(seed * s->points_n + point) * s->arms_n + arm];
}

/* Frozen, as the store has it. */
static inline int spec_of(void *arg, int64_t run, json_t **ret, struct err *err)
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

static inline int init_of(void *arg, int64_t run, json_t **ret, struct err *err)
{
    const struct study *s = arg;
    const char *name;
    json_t *value;
    (void)err;
    *ret = s->init[run - 1] != NULL ? load(s->init[run - 1]) : NULL;
    json_object_foreach(*ret, name, value)
    {
        if (!s->one_weights && json_is_string(value))
            json_object_set_new(
                *ret, name,
                json_sprintf("%s-%d", json_string_value(value), (int)s->runs[run - 1].seed));
    }
    return 0;
}

static inline void forget(struct study *s)
{
    for (size_t i = 0; i < s->found_n; i++)
        audit_row_done(&s->found[i]);
    free(s->found);
    s->found = NULL;
    s->found_n = 0;
}

static inline void look(struct study *s)
{
    struct err err = { 0 };
    const struct fairness_input in = { .spec = s->spec,
                                       .runs = s->runs,
                                       .runs_n = s->runs_n,
                                       .reported = s->reported,
                                       .spec_of = spec_of,
                                       .init_of = init_of,
                                       .elsewhere_of = s->elsewhere,
                                       .mean_of = s->mean,
                                       .arg = s,
                                       .environments = s->environments,
                                       .environments_n = s->environments_n };
    forget(s);
    assert_ok(fairness_find(&in, &s->found, &s->found_n, &err), err);
}

static inline void end(struct study *s)
{
    forget(s);
    json_decref(s->spec);
    json_decref(s->reported);
}

/* The only finding of that name. */
static inline const struct audit_row *only(const struct study *s, const char *name)
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

static inline void expect(struct study *s, const char *name, const char *status, const char *detail)
{
    look(s);
    const struct audit_row *row = only(s, name);
    if (strcmp(row->status, status) != 0 || strstr(row->detail, detail) == NULL)
        fail_msg("%s %s: %s", name, row->status, row->detail);
    assert_null(row->arm);
    assert_null(row->grid);
    assert_int_equal(row->run, 0);
}

static inline json_t *evidence(const struct study *s, const char *name)
{
    return load(only(s, name)->evidence);
}

static inline int64_t count(const struct study *s, const char *name, const char *key)
{
    json_t *e = evidence(s, name);
    json_t *value = json_object_get(e, key);
    assert_true(json_is_integer(value));
    int64_t n = json_integer_value(value);
    json_decref(e);
    return n;
}

static inline void expect_first(const struct study *s, const char *name, const char *text)
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
static const char plain[] =
    "{\"compare\":{\"metric\":\"val/loss\",\"baseline\":\"dense\",\"margin\":0.01}}";
static const char tuned[] =
    "{\"compare\":{\"baseline\":\"dense\",\"margin\":0.01,\"goal\":\"min\",\"tune\":["
    "\"train.lr\"]},\"grid\":{\"train.lr\":[0.001,0.002,0.004]}}";

#endif
