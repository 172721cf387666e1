/* Which audit a run is making: what the lines of its log say of it, until the audit has told or the
 * attempt has ended. */
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_runs.h"
#include "tests/unit/server/fixture.h"

static const char *auditing(struct store *store, int64_t id)
{
    static char text[40];
    struct run_row run;
    struct err err;
    assert_ok(store_run_get(store, id, &run, &err), err);
    snprintf(text, sizeof text, "%s", run.auditing != NULL ? run.auditing : "-");
    run_row_done(&run);
    return text;
}

static void claim(struct store *store, int64_t run)
{
    struct claim claim;
    struct err err;
    assert_ok(store_run_claim(store, run, "0123", &claim, &err), err);
    claim_done(&claim);
}

static const struct {
    const char *event, *is;
} says[] = {
    { "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{}}", "-" },
    { "{\"type\":\"log\",\"seq\":2,\"level\":\"info\",\"message\":\"x\",\"audit\":\"causality\"}",
      "causality" },
    { "{\"type\":\"log\",\"seq\":3,\"level\":\"info\",\"message\":\"another line\"}", "causality" },
    { "{\"type\":\"audit\",\"seq\":4,\"name\":\"causality\",\"status\":\"pass\",\"detail\":\"d\","
      "\"evidence\":{}}",
      "-" },
    { "{\"type\":\"log\",\"seq\":5,\"level\":\"info\",\"message\":\"x\",\"audit\":\"replay\"}",
      "replay" },
    { "{\"type\":\"log\",\"seq\":6,\"level\":\"info\",\"message\":\"x\",\"audit\":\"\"}", "-" },
    { "{\"type\":\"log\",\"seq\":7,\"level\":\"info\",\"message\":\"x\",\"audit\":\"gradient\"}",
      "gradient" },
    { "{\"type\":\"log\",\"seq\":8,\"level\":\"info\",\"message\":\"x\",\"audit\":\"unheard\"}",
      "-" },
    { "{\"type\":\"log\",\"seq\":9,\"level\":\"info\",\"message\":\"x\",\"audit\":\"update\"}",
      "update" },
    { "{\"type\":\"failed\",\"seq\":10,\"reason\":\"stopped\",\"detail\":\"d\"}", "-" },
};

static void test_auditing(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    fixture_experiment(store, 1, 0, 3, false);
    assert_string_equal(auditing(store, 1), "-");
    claim(store, 1);
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        assert_int_equal(fixture_event(store, 1, 1, "%s", says[i].event), 0);
        assert_string_equal(auditing(store, 1), says[i].is);
    }
    claim(store, 1); /* and the next attempt begins without */
    assert_string_equal(auditing(store, 1), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_auditing, fixture_base_set_up, fixture_base_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
