/* Curves and bars as text, and figures as people read them. */
#include "server/client/terminal/spark.h"

#include "server/client/terminal/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(const double *values, size_t n, size_t width, bool ascii, const char *wanted)
{
    struct buf to;
    buf_init(&to, 0);
    spark_line(&to, values, n, width, ascii);
    assert_string_equal(to.data != NULL ? to.data : "", wanted);
    buf_done(&to);
}

static void test_line(void **state)
{
    (void)state;
    static const double eight[] = { 0, 1, 2, 3, 4, 5, 6, 7 }, same[] = { 3, 3, 3 }, one[] = { -1 };
    static const double odd[] = { 0, NAN, 1, INFINITY, -INFINITY }, none[] = { NAN, NAN };
    static const double wide[] = { -1e308, 1e308 };
    expect(eight, 8, 40, false, "▁▂▃▄▅▆▇█");
    expect(eight, 8, 40, true, "_.,-~=+#");
    expect(eight, 8, 4, false, "▁▃▆█"); /* means of two */
    expect(eight, 8, 3, true, "_-#");
    expect(same, 3, 8, false, "▅▅▅");
    expect(one, 1, 8, false, "▅");
    expect(odd, 5, 8, false, "▁x█xx");
    expect(none, 2, 8, false, "xx");
    expect(wide, 2, 8, false, "▅▅"); /* their range is no double */
    expect(eight, 0, 8, false, "");
    expect(eight, 8, 0, false, "");
}

static void expect_bar(double share, bool ascii, const char *wanted)
{
    struct buf to;
    buf_init(&to, 0);
    spark_bar(&to, share, 4, ascii);
    assert_string_equal(to.data, wanted);
    buf_done(&to);
}

static void test_bar(void **state)
{
    (void)state;
    expect_bar(0, false, "░░░░");
    expect_bar(0.5, false, "██░░");
    expect_bar(0.99, true, "###.");
    expect_bar(1, true, "####");
    expect_bar(7, true, "####");
    expect_bar(-1, true, "....");
    expect_bar((double)NAN, true, "....");
}

static void test_units(void **state)
{
    (void)state;
    char text[UNITS_TEXT];
    assert_string_equal(units_bytes(6, text), "6 B");
    assert_string_equal(units_bytes(1536, text), "1.5 KiB");
    assert_string_equal(units_bytes(1e30, text), "909494701772928256.0 TiB");
    assert_string_equal(units_seconds(0.4, text), "0.4 s");
    assert_string_equal(units_seconds(200, text), "3 min 20 s");
    assert_string_equal(units_seconds(86399, text), "23 h 59 min");
    assert_string_equal(units_seconds(90000, text), "1 d 1 h");
    assert_string_equal(units_si(999, text), "999");
    assert_string_equal(units_si(1234567, text), "1.23 M");
    assert_string_equal(units_si(999999, text), "1 M");
    json_t *values[] = { json_real(2.43254), json_string("nan"), json_null(), json_integer(2) };
    static const char *const wanted[] = { "2.4325", "nan", "–", "2.0000" };
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(units_value(values[i], text), wanted[i]);
        json_decref(values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_bar),
        cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
