/* A submission: refused with a reason, or every run of it can be frozen, read again and has the
 * same digest. */
#include "common/json/jsonx.h"
#include "common/spec/cost.h"
#include "common/spec/spec_json.h"
#include "common/sweep/sweep.h"
#include "common/sweep/sweep_run.h"
#include "common/sweep/sweep_unused.h"
#include "tests/fuzz/fuzz.h"

enum { RUNS_TRIED = 6 };

static void freeze(const struct run_spec *spec)
{
    char before[DIGEST_HEX], after[DIGEST_HEX];
    struct run_spec again = { 0 };
    struct err err = { 0 };
    json_t *frozen = run_spec_encode(spec);
    FUZZ_CHECK(frozen != NULL);
    FUZZ_CHECK(run_spec_digest(spec, before, &err) == 0);
    FUZZ_CHECK(run_spec_decode(frozen, "", &again, &err) == 0);
    FUZZ_CHECK(run_spec_digest(&again, after, &err) == 0);
    FUZZ_CHECK(strcmp(before, after) == 0);
    json_decref(frozen);
}

static void try_experiment(const json_t *json)
{
    struct sweep *sweep = NULL;
    struct err err = { 0 };
    int status = sweep_new(json, &sweep, &err);
    if (status != 0) {
        fuzz_refused(status, &err);
        return;
    }
    FUZZ_CHECK(sweep->runs_n >= 1 && sweep->runs_n <= SWEEP_MAX_RUNS);
    for (size_t i = 0; i < sweep->runs_n && i < RUNS_TRIED; i++) {
        struct sweep_item item = { 0 };
        err = (struct err){ 0 };
        status = sweep_run(sweep, sweep->runs_n - 1 - i, &item, &err);
        if (status == 0)
            freeze(&item.spec);
        else
            fuzz_refused(status, &err);
        json_decref(item.grid);
    }
    status = sweep_unused_check(sweep, json, &err);
    if (status != 0)
        fuzz_refused(status, &err);
    sweep_free(sweep);
}

static void try_run(const json_t *json)
{
    struct run_spec spec = { 0 };
    struct err err = { 0 };
    int status = run_spec_decode(json, "", &spec, &err);
    if (status == 0)
        freeze(&spec);
    else
        fuzz_refused(status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = { 0 };
    json_t *json = NULL;
    char *text = fuzz_text(data, size);
    if (jsonx_load(text, size, &json, &err) == 0) {
        try_experiment(json);
        try_run(json);
    }
    json_decref(json);
    free(text);
    return 0;
}
