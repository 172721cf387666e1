/* The event stream, cut wherever it may be; and what a watcher makes of it. */
#include "server/client/sse.h"

#include "server/client/terminal/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char got[1000];
static int answer;

static int take(void *arg, const char *name, const char *data, size_t len)
{
    const struct events *events = arg;
    size_t used = strlen(got);
    snprintf(got + used, sizeof got - used, "%s %lld %.*s;", name, (long long)events->last,
             (int)len, data);
    return answer;
}

static const char stream[] =
    ": hello\n\nid: 7\nevent: run\ndata: {\"run\":1}\n\n"
    "id: 8\r\nevent: log\r\ndata: a\r\ndata:  b\r\n\r\n: still here\n\n"
    "data: unnamed\nid: x\nretry: 5\n\nid: 9\n\ndata\n\nevent: cut\ndata: of";

static void test_cuts(void **state)
{
    (void)state;
    static const char wanted[] = "run 7 {\"run\":1};log 8 a\n b;message 8 unnamed;message 9 ;";
    for (size_t part = 1; part <= sizeof stream; part++) {
        struct events events;
        got[0] = '\0';
        answer = 0;
        events_init(&events, take, &events);
        for (size_t at = 0; at < sizeof stream - 1; at += part) {
            size_t left = sizeof stream - 1 - at;
            assert_int_equal(events_feed(&events, stream + at, left < part ? left : part), 0);
        }
        assert_string_equal(got, wanted);
        assert_int_equal(events.last, 9);
        events_again(&events); /* what is half there is not gone on with */
        assert_int_equal(events_feed(&events, " course\n\n", 9), 0);
        assert_string_equal(got, wanted);
        events_done(&events);
    }
}

static void test_end(void **state)
{
    (void)state;
    struct events events;
    got[0] = '\0';
    answer = 5;
    events_init(&events, take, &events);
    assert_int_equal(events_feed(&events, stream, sizeof stream - 1), 5);
    assert_string_equal(got, "run 7 {\"run\":1};");
    events_done(&events);
}

static void test_bound(void **state)
{
    (void)state;
    static char endless[1 << 16];
    struct events events;
    int status = 0;
    memset(endless, 'x', sizeof endless);
    events_init(&events, take, &events);
    size_t n = 0;
    for (; status == 0 && n < 1 << 30; n += sizeof endless)
        status = events_feed(&events, endless, sizeof endless);
    assert_int_equal(status, -1);
    assert_true(n <= EVENTS_LINE + 2 * sizeof endless);
    events_done(&events);
}

/* progress */

static struct progress p;

static void run(int id, const char *arm, const char *state, int step, const char *started)
{
    size_t lead;
    json_t *object = json_pack("{s:i,s:s,s:i,s:s,s:i,s:i,s:s?}", "id", id, "arm", arm, "seed", 1,
                               "state", state, "step", step, "steps", 10, "started_at", started);
    assert_true(progress_run(&p, object, &lead));
    json_decref(object);
}

static void metrics(int id, int step, double value)
{
    json_t *series = json_pack("{s:[[i,f]]}", "val/loss", step, value);
    progress_series(&p, id, series);
    json_decref(series);
}

static void test_progress(void **state)
{
    (void)state;
    json_t *experiment =
        json_pack("{s:i,s:s,s:s,s:[s,s],s:{s:s}}", "id", 3, "name", "n", "state", "running", "arms",
                  "a", "b\x1b", "compare", "metric", "val/loss");
    size_t ended = 0;
    assert_true(progress_begin(&p, experiment));
    assert_string_equal(p.arms[1].name, "b");
    assert_false(progress_over(&p));
    run(5, "b\x1b", "queued", 0, NULL);
    run(2, "a", "running", 0, "2026-01-01T00:00:00.000Z"); /* in no order */
    run(4, "a", "queued", 0, NULL);
    run(9, "z", "queued", 0, NULL); /* of no arm that is known */
    assert_int_equal(p.runs_n, 3);
    assert_int_equal(p.arms[0].lead, 2);
    metrics(2, 4, 1.5);
    metrics(2, 4, 1.5); /* told twice */
    metrics(2, 6, 1.25);
    metrics(5, 3, 1); /* leads nothing yet */
    assert_int_equal(p.arms[0].curves[0].n, 2);
    assert_int_equal(progress_find(&p, 2)->step, 6);
    assert_true(progress_share(&p, &ended) == 0.3 && ended == 0);
    run(4, "a", "running", 0, "2026-01-01T00:00:01.000Z"); /* it began last: another curve */
    assert_int_equal(p.arms[0].lead, 4);
    assert_int_equal(p.arms[0].curves[0].n, 0);
    run(2, "a", "succeeded", 10, "2026-01-01T00:00:00.000Z");
    run(4, "a", "failed", 2, "2026-01-01T00:00:01.000Z");
    assert_false(progress_over(&p));
    run(5, "b\x1b", "cancelled", 3, NULL);
    assert_true(progress_over(&p));
    assert_true(progress_share(&p, &ended) == 1 && ended == 3);
    json_decref(experiment);
    progress_done(&p);
}

/* However long a run is, its curve has a bound, and its shape. */
static void test_curve(void **state)
{
    (void)state;
    json_t *experiment = json_pack("{s:i,s:s,s:s,s:[s],s:{s:s}}", "id", 3, "name", "n", "state",
                                   "running", "arms", "a", "compare", "metric", "val/loss");
    assert_true(progress_begin(&p, experiment));
    run(1, "a", "running", 0, "2026-01-01T00:00:00.000Z");
    for (int i = 1; i <= 5 * PROGRESS_VALUES; i++)
        metrics(1, i, i);
    const struct curve *curve = &p.arms[0].curves[0];
    assert_true(curve->n > PROGRESS_VALUES / 2 && curve->n <= PROGRESS_VALUES);
    assert_true(curve->last == 5 * PROGRESS_VALUES);
    for (size_t i = 1; i < curve->n; i++)
        assert_true(curve->values[i] == curve->values[0] * (double)(i + 1));
    json_decref(experiment);
    progress_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),     cmocka_unit_test(test_end),   cmocka_unit_test(test_bound),
        cmocka_unit_test(test_progress), cmocka_unit_test(test_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
