/* Times as text, before and after 1970; and clocks that a test moves. */
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_iso(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 1769850300250, "2026-01-31T09:05:00.250Z" },
        { 951782399999, "2000-02-28T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { -86400000, "1969-12-31T00:00:00.000Z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLOCK_ISO_BYTES];
        clock_iso(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_http(void **state)
{
    (void)state;
    char text[CLOCK_HTTP_BYTES];
    clock_http(784111777999, text); /* RFC 9110's example, and most of a second */
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void test_shift(void **state)
{
    (void)state;
    int64_t wall = clock_wall_ms(), mono = clock_mono_ms();
    double seconds = clock_mono_s();
    clock_shift(1000000, 60000);
    assert_in_range(clock_wall_ms() - wall, 1000000, 1900000);
    assert_in_range(clock_mono_ms() - mono, 60000, 960000);
    assert_true(clock_mono_s() - seconds >= 60 && clock_mono_s() - seconds < 960);
    clock_shift(-1000000, -60000);
    assert_in_range(clock_wall_ms() - wall, 0, 900000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_iso), cmocka_unit_test(test_http),
                                        cmocka_unit_test(test_shift) };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
