/* models: small models for tests, from a few fields of a spec. */
#ifndef ABLATE_TESTS_MODELS_H
#define ABLATE_TESTS_MODELS_H

#include "common/json/jsonx.h"
#include "common/spec/spec.h"
#include "common/spec/spec_json.h"
#include "worker/model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Fields that follow the defaults, each starting with a comma or empty. A key given twice is
 * refused, so these leave out what tests vary. */
struct sketch {
    const char *attention, *model, *train;
    int64_t seed;
    int64_t seq_len, layers; /* 0: 48 and 2 */
};

static inline struct run_spec spec_of(struct sketch sketch)
{
    char text[1500];
    struct run_spec spec = { 0 };
    struct err err = { 0 };
    json_t *json = NULL;
    snprintf(
        text, sizeof text,
        "{\"data\":{\"dataset\":\"x\",\"seq_len\":%lld},\"model\":{\"layers\":%lld,\"heads\":2,"
        "\"d_model\":32,\"d_ff\":48,\"attention\":{%s}%s},"
        "\"train\":{\"steps\":20%s},\"seed\":%lld}",
        (long long)(sketch.seq_len > 0 ? sketch.seq_len : 48),
        (long long)(sketch.layers > 0 ? sketch.layers : 2), sketch.attention,
        sketch.model != NULL ? sketch.model : "",
        sketch.train != NULL ? sketch.train : ",\"batch_size\":3", (long long)sketch.seed);
    if (jsonx_load(text, strlen(text), &json, &err) != 0 ||
        run_spec_decode(json, "", &spec, &err) != 0)
        fail_msg("%s: %s", err.pointer, err.message);
    json_decref(json);
    return spec;
}

static inline struct model *model_of(const struct run_spec *spec, int threads)
{
    struct model *model = NULL;
    struct err err = { 0 };
    if (model_new(spec, threads, &model, &err) != 0)
        fail_msg("%s", err.message);
    return model;
}

/* B windows of T + 1 tokens below V, different ones for each `variant`. The caller frees them. */
static inline int32_t *windows_of(const struct run_spec *spec, uint64_t variant)
{
    size_t n = (size_t)(spec->train.batch_size * (spec->data.seq_len + 1));
    int32_t *windows = malloc(n * sizeof *windows);
    assert_non_null(windows);
    for (size_t i = 0; i < n; i++)
        windows[i] = (int32_t)((i * i * 31 + i * 7 + (i + 3) * variant * 13) % 97 + 100);
    return windows;
}

#endif
