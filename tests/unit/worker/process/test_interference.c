/* What else the machine did: the text of /proc/stat, and what two samples say. */
#include "worker/process/interference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_proc_stat(void **state)
{
    (void)state;
    struct machine_times t = { 0 };
    assert_true(interference_parse("cpu  100 20 30 4000 50 6 7 80 9 10\n"
                                   "cpu0 1 1 1 1 1 1 1 1 1 1\n",
                                   100, &t));
    assert_true(fabs(t.busy - 1.63) < 1e-12); /* guest time isn't added to user's again */
    assert_true(fabs(t.steal - 0.8) < 1e-12);
    assert_true(fabs(t.total - (1.63 + 0.8 + 40.5)) < 1e-12);
    static const char *const bad[] = { "",
                                       "cpu",
                                       "cpu0 1 2 3 4 5 6 7 8",
                                       "cpu  1 2 3 4",
                                       "intr 1 2 3 4 5 6 7 8",
                                       "cpu  a b c d e f g h" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(interference_parse(bad[i], 100, &t));
}

static void expect(const struct interference_sample *a, const struct interference_sample *b,
                   double steal, double other)
{
    json_t *json = interference_between(a, b);
    const json_t *s = json_object_get(json, "steal_share"),
                 *o = json_object_get(json, "other_cores");
    assert_int_equal(json_object_size(json), 2);
    assert_true(isnan(steal) ? json_is_null(s) : fabs(json_number_value(s) - steal) < 1e-12);
    assert_true(isnan(other) ? json_is_null(o) : fabs(json_number_value(o) - other) < 1e-12);
    json_decref(json);
}

/* Two cores for ten seconds: 14 busy, of which 9 are the trainer's, 1 stolen. */
static void test_between(void **state)
{
    (void)state;
    const struct interference_sample a = { true, { 100, 10, 1000 }, 2, 50 };
    struct interference_sample b = { true, { 114, 11, 1020 }, 11, 60 };
    expect(&a, &b, 0.05, 0.5);
    b.own = 17; /* more than the machine's, for ticks are coarse */
    b.machine.steal = 9;
    expect(&a, &b, 0, 0);
    b.known = false;
    expect(&a, &b, NAN, NAN);
    expect(&a, &a, NAN, NAN); /* no time has passed */
}

static void test_this_machine(void **state)
{
    (void)state;
    struct interference_sample a, b;
    interference_sample(&a);
    do /* until a tick has passed */
        interference_sample(&b);
    while (b.known && b.machine.total <= a.machine.total);
    assert_true(a.known && b.known && b.own >= a.own && b.at > a.at);
    json_t *json = interference_between(&a, &b);
    assert_true(json_is_real(json_object_get(json, "other_cores")));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proc_stat),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
