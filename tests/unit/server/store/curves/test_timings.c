/* What disturbed clocks: overlaps of attempts, what trainers told, and a mean without the first
 * step. */
#include "server/store/curves/store_timings.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/store_priv.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

static void test_overlaps(void **state)
{
    (void)state;
    static const struct timing_span all[] = {
        { 0, 100 },   /* 0 */
        { 50, 80 },   /* 1: within the first */
        { 70, 120 },  /* 2: three at once from 70 to 80 */
        { 120, 200 }, /* 3: begins as the one before ends */
        { 300, 400 }, /* 4: alone */
        { 150, 150 }, /* 5: no time at all */
        { 500, 600 }, /* 6, 7: the same time */
        { 500, 600 },
    };
    static const int64_t want[] = { 50, 30, 30, 0, 0, 0, 100, 100 };
    enum { N = sizeof all / sizeof *all };
    int64_t got[N];
    struct err err;
    assert_ok(timing_shared(all, N, all, N, got, &err), err);
    for (size_t i = 0; i < N; i++)
        if (got[i] != want[i])
            fail_msg("span %zu shared %lld, not %lld", i, (long long)got[i], (long long)want[i]);
    assert_ok(timing_shared(all, 0, all, 0, got, &err), err);
}

static int64_t begin(struct store *store, int64_t run)
{
    struct claim claim;
    struct err err;
    assert_ok(store_run_claim(store, run, "0123", &claim, &err), err);
    int64_t attempt = claim.attempt;
    claim_done(&claim);
    return attempt;
}

static void tell(struct store *store, int64_t run, int64_t attempt, const char *line)
{
    struct wire_message message;
    struct err err = { 0 };
    uint64_t acked;
    assert_ok(wire_decode(line, strlen(line), &message, &err), err);
    assert_ok(store_event_apply(store, run, attempt, &message, &acked, &err), err);
    wire_message_done(&message);
}

#define STEPS                                                                                      \
    "{\"type\":\"metrics\",\"seq\":1,\"names\":[\"train/loss\",\"time/step_s\"],"                  \
    "\"rows\":[[1,5,9],[2,4,0.25],[3,3,0.75]]}"
#define LATER "{\"type\":\"metrics\",\"seq\":1,\"names\":[\"train/loss\"],\"rows\":[[4,2]]}"
#define INTERFERENCE(steal, other)                                                                 \
    "\"interference\":{\"steal_share\":" steal ",\"other_cores\":" other "}}"
#define FINISHED(told) "{\"type\":\"finished\",\"seq\":2,\"step\":4,\"artifacts\":[]," told
#define STOPPED(told)  "{\"type\":\"failed\",\"seq\":2,\"reason\":\"stopped\",\"detail\":\"\"," told

static const struct timing_row *row_of(const struct timing_row *rows, size_t n, int64_t run)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].run == run)
            return &rows[i];
    fail_msg("no row of run %lld", (long long)run);
    return NULL;
}

/* Run 1 alone for a second, then beside run 4 of another experiment for another, stopped, and
 * resumed; run 2 is killed in between and tells nothing; run 3 stores nothing. */
static void test_runs(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct timing_row *rows;
    size_t n;
    int64_t experiment = fixture_experiment(store, 3, 0, 9, false);
    fixture_experiment(store, 1, 0, 9, false);
    begin(store, 1);
    tell(store, 1, 1, STEPS);
    clock_shift(1000, 0);
    begin(store, 4);
    clock_shift(1000, 0);
    tell(store, 1, 1, STOPPED(INTERFERENCE("0.01", "0.5")));
    assert_ok(store_attempt_end(store, 4, 1, RUN_FAILED, "lost", "", &err), err);
    clock_shift(1000, 0);
    assert_int_equal(begin(store, 1), 2);
    tell(store, 1, 2, LATER);
    clock_shift(6000, 0);
    tell(store, 1, 2, FINISHED(INTERFERENCE("0.05", "0.1")));
    begin(store, 3);
    begin(store, 2);
    tell(store, 2, 1, STEPS);
    clock_shift(500, 0);
    assert_ok(store_attempt_end(store, 2, 1, RUN_QUEUED, "signal SIGKILL", "", &err), err);
    assert_int_equal(begin(store, 2), 2);
    tell(store, 2, 2, LATER);
    clock_shift(500, 0);
    tell(store, 2, 2, FINISHED(INTERFERENCE("null", "null")));
    assert_ok(store_timings(store, experiment, &rows, &n, &err), err);
    assert_int_equal(n, 2);
    const struct timing_row *one = row_of(rows, n, 1), *two = row_of(rows, n, 2);
    /* the clock goes on by itself, too */
    assert_true(one->ms >= 8000 && one->told_ms == one->ms);
    assert_true(one->shared_ms >= 1000 && one->shared_ms + 6000 < one->ms);
    assert_true(fabs(one->steal_share - 0.04) < 0.005);
    assert_true(fabs(one->other_cores - 0.2) < 0.05);
    assert_true(two->ms >= 1000 && two->told_ms == 0);
    assert_true(two->shared_ms == two->ms); /* run 3 hasn't ended */
    free(rows);

    /* in one environment, with whatever threads; then the second run's goes on elsewhere */
    static const char *const environments[] = {
        "UPDATE attempts SET environment = '{\"digest\":\"d\",\"cpu\":\"c\",\"host\":\"h\","
        "\"threads\":' || attempt || '}'",
        "UPDATE attempts SET environment = '{\"digest\":\"d\",\"cpu\":\"x\",\"host\":\"h\"}' "
        "WHERE run = 2 AND attempt = 2",
    };
    for (size_t i = 0; i < 2; i++) {
        assert_ok(store_execute(store, environments[i], &err), err);
        assert_ok(store_timings(store, experiment, &rows, &n, &err), err);
        assert_false(row_of(rows, n, 1)->elsewhere);
        assert_int_equal(row_of(rows, n, 2)->elsewhere, i == 1);
        free(rows);
    }
}

static void test_the_mean_leaves_out_the_first_step(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct run_row run = { 0 };
    fixture_experiment(store, 1, 0, 1, false);
    begin(store, 1);
    tell(store, 1, 1, STEPS);
    assert_ok(store_run_get(store, 1, &run, &err), err);
    assert_int_equal(run.finals_n, 2);
    for (size_t i = 0; i < 2; i++) /* of a clock alone */
        assert_true(run.finals[i].mean ==
                    (strcmp(run.finals[i].name, "time/step_s") == 0 ? 0.5 : 4));
    run_row_done(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test_setup_teardown(test_runs, fixture_base_set_up, fixture_base_tear_down),
        cmocka_unit_test_setup_teardown(test_the_mean_leaves_out_the_first_step,
                                        fixture_base_set_up, fixture_base_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
