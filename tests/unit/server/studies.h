/* Studies made in memory for tests of the report: `begin`, `add` and `final` fill one, `report`
 * hands it to the code under test; `at` and the assertions look at what comes back. */
#ifndef ABLATE_TESTS_STUDIES_H
#define ABLATE_TESTS_STUDIES_H

#include "tests/unit/server/fixture.h"

#include "common/json/jsonx.h"
#include "server/report/report.h"

#include <math.h>

/* How the studies compare; the margin is 0.01. */
#define BY_LOSS                                                                                    \
    "{\"metric\":\"val/"                                                                           \
    "loss\",\"goal\":\"min\",\"at\":\"last\",\"baseline\":\"dense\",\"margin\":0.01}"

enum { RUNS = 256 };

struct study {
    struct experiment_row experiment;
    struct run_row runs[RUNS];
    struct run_final finals[RUNS][4];
    struct audit_row audits[64];
    struct curve_point curves[256];
    struct timing_row timings[RUNS]; /* nothing disturbed a run unless a test says so */
    size_t audits_n, curves_n;
    struct study_input in;
};

static inline void begin(struct study *s, const char *compare)
{
    static char spec[512], empty[] = "", name[] = "study", tags[] = "{}";
    *s = (struct study){ 0 };
    snprintf(spec, sizeof spec,
             "{\"data\":{\"seq_len\":128},\"arms\":{\"dense\":{},\"dsa\":{}},\"grid\":{},"
             "\"compare\":%s}",
             compare);
    s->experiment = (struct experiment_row){
        .id = 1, .name = name, .notes = empty, .hypothesis = empty, .tags = tags, .spec = spec
    };
}

static inline void with_spec(struct study *s, const char *spec)
{
    s->experiment.spec = (char *)(uintptr_t)spec;
}

static inline struct run_row *add(struct study *s, const char *arm, const char *grid, int64_t seed,
                                  enum run_state state)
{
    size_t i = s->in.runs_n++;
    assert_true(i < RUNS);
    s->experiment.counts[state]++;
    s->experiment.runs_n++;
    s->timings[i] = (struct timing_row){ .run = 10 + (int64_t)i, .ms = 1000, .told_ms = 1000 };
    s->runs[i] = (struct run_row){ .id = 10 + (int64_t)i,
                                   .experiment = 1,
                                   .seed = seed,
                                   .state = state,
                                   .arm = (char *)(uintptr_t)arm,
                                   .grid = (char *)(uintptr_t)grid,
                                   .parameters = 100,
                                   .flops_per_step = 2e9,
                                   .finals = s->finals[i] };
    return &s->runs[i];
}

/* A series that ended at last, having been between least and greatest. */
static inline void final(struct run_row *run, const char *name, double last, double least,
                         double greatest)
{
    assert_true(run->finals_n < 4);
    run->finals[run->finals_n++] = (struct run_final){ .name = name,
                                                       .value = last,
                                                       .best = least,
                                                       .greatest = greatest,
                                                       .mean = (least + greatest) / 2,
                                                       .count = 2 };
}

/* A finding of an audit, of a run unless it is one about the experiment; arm and grid may be NULL.
 */
static inline void audited(struct study *s, const char *name, const char *arm, const char *grid,
                           const char *status, const char *detail, const char *evidence)
{
    size_t i = s->audits_n++;
    const struct audit_info *info = audit_find(name);
    assert_true(i < sizeof s->audits / sizeof *s->audits);
    s->audits[i] =
        (struct audit_row){ .id = (int64_t)i + 1,
                            .experiment = 1,
                            .run = info != NULL && info->scope == AUDIT_OF_EXPERIMENT ? 0 : 10,
                            .arm = (char *)(uintptr_t)arm,
                            .grid = (char *)(uintptr_t)grid,
                            .name = (char *)(uintptr_t)name,
                            .status = (char *)(uintptr_t)status,
                            .detail = (char *)(uintptr_t)detail,
                            .evidence = (char *)(uintptr_t)evidence };
}

static inline json_t *report(struct study *s)
{
    s->in.experiment = &s->experiment;
    s->in.runs = s->runs;
    s->in.audits = s->audits;
    s->in.audits_n = s->audits_n;
    s->in.curves = s->curves;
    s->in.curves_n = s->curves_n;
    s->in.timings = s->timings;
    s->in.timings_n = s->in.runs_n;
    json_t *made = report_json(&s->in);
    assert_non_null(made);
    return made;
}

static inline json_t *at(json_t *from, const char *key)
{
    json_t *value =
        json_is_array(from) ? json_array_get(from, (size_t)atoi(key)) : json_object_get(from, key);
    if (value == NULL)
        fail_msg("no %s", key);
    return value;
}

static inline void assert_number(json_t *value, double want)
{
    double got;
    assert_int_equal(jsonx_to_double(value, &got), 0);
    if (isnan(want) ? !isnan(got) : got != want && fabs(got - want) > 1e-12)
        fail_msg("%.17g, not %.17g", got, want);
}

static inline void assert_text(json_t *value, const char *part)
{
    if (strstr(json_string_value(value), part) == NULL)
        fail_msg("no \"%s\" in \"%s\"", part, json_string_value(value));
}

/* The status, and a part of the sentence. */
static inline void assert_verdict(json_t *r, const char *status, const char *part)
{
    assert_string_equal(json_string_value(at(at(r, "verdict"), "status")), status);
    assert_text(at(at(r, "verdict"), "sentence"), part);
}

#endif
