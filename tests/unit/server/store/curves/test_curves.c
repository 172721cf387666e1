/* store_curves: short series whole, long ones at round steps that all runs of a point share. */
#include "server/store/curves/store_curves.h"
#include "server/store/runs/store_attempts.h"
#include "tests/unit/server/fixture.h"

static void start(struct store *store, int64_t run)
{
    struct claim claim;
    struct err err;
    assert_ok(store_run_claim(store, run, "0123", &claim, &err), err);
    claim_done(&claim);
}

/* One value every `every` steps, value = run·1000 + step, in one event. */
static void fill(struct store *store, int64_t run, int64_t every, int64_t to)
{
    struct buf line;
    struct wire_message message;
    struct err err = { 0 };
    uint64_t acked;
    buf_init(&line, 0);
    buf_adds(&line, "{\"type\":\"metrics\",\"seq\":1,\"names\":[\"val/loss\"],\"rows\":[");
    for (int64_t step = every; step <= to; step += every)
        buf_addf(&line, "%s[%lld,%lld]", step > every ? "," : "", (long long)step,
                 (long long)(run * 1000 + step));
    buf_adds(&line, "]}");
    assert_ok(wire_decode(line.data, line.len, &message, &err), err);
    assert_ok(store_event_apply(store, run, 1, &message, &acked, &err), err);
    wire_message_done(&message);
    buf_done(&line);
}

/* Checks that the points of run are at first, first + every, … and at last. */
static void assert_steps(const struct curve_point *points, size_t n, int64_t run, int64_t every,
                         int64_t last)
{
    int64_t want = every;
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || points[i - 1].run <= points[i].run);
        if (points[i].run != run)
            continue;
        assert_int_equal(points[i].step, want);
        assert_true(points[i].value == (double)(run * 1000 + want));
        want = want + every <= last ? want + every : want == last ? want : last;
        found++;
    }
    assert_int_equal(found, last / every + (last % every != 0));
}

static void test_curves(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct curve_point *points;
    size_t n;
    struct err err;
    int64_t experiment = fixture_experiment(store, 3, 0, 1, false);
    fixture_experiment(store, 1, 0, 1, false);
    for (int64_t run = 1; run <= 4; run++)
        start(store, run);
    fill(store, 1, 1, 1003);  /* thinned: 1003 rows, at most 100: every 20th */
    fill(store, 2, 7, 2100);  /* 300 rows, every 5th: steps 35, 70 … */
    fill(store, 3, 10, 1000); /* 100 rows: whole */
    fill(store, 4, 1, 10);    /* another experiment's */
    assert_ok(store_curves(store, experiment, "val/loss", 100, &points, &n, &err), err);
    assert_steps(points, n, 1, 20, 1003);
    assert_steps(points, n, 2, 35, 2100);
    assert_steps(points, n, 3, 10, 1000);
    assert_int_equal(n, 51 + 60 + 100);
    free(points);
    assert_ok(store_curves(store, experiment, "val/accuracy", 100, &points, &n, &err), err);
    assert_int_equal(n, 0);
    free(points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_curves, fixture_base_set_up, fixture_base_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
