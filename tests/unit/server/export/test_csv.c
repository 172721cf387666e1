/* Cells: RFC 4180, and no formula for a spreadsheet. */
#include "server/export/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *cell;
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "a b", "a b" },
        { "a,b", "\"a,b\"" },
        { "\"", "\"\"\"\"" },
        { "say \"x\", twice", "\"say \"\"x\"\", twice\"" },
        { "a\nb", "\"a\nb\"" },
        { "a\r\nb", "\"a\r\nb\"" },
        { "ü漢🙂", "ü漢🙂" },
        { "=1+1", "'=1+1" },
        { "=", "'=" },
        { "+x", "'+x" },
        { "-x", "'-x" },
        { "@x", "'@x" },
        { "\tx", "'\tx" },
        { "\rx", "\"'\rx\"" },
        { "=a,\"b\"", "\"'=a,\"\"b\"\"\"" },
        { "x=1", "x=1" },
        { " =1", " =1" },
        { "'x", "'x" },
        /* numbers are none */
        { "-1", "-1" },
        { "+1.5", "+1.5" },
        { "-.5e-3", "-.5e-3" },
        { "-1E+10", "-1E+10" },
        { "-", "'-" },
        { "-.", "'-." },
        { "-1e", "'-1e" },
        { "-1+1", "'-1+1" },
        { "-1 ", "'-1 " },
        { "--1", "'--1" },
        { "-inf", "'-inf" },
        { "+0x1", "'+0x1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf to;
        buf_init(&to, 0);
        buf_adds(&to, "|");
        csv_text(cases[i].text, &to);
        assert_string_equal(to.data + 1, cases[i].cell);
        buf_done(&to);
    }
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *json, *cell;
    } cases[] = {
        { "-5", "-5" },
        { "-9223372036854775807", "-9223372036854775807" },
        { "-2.5", "-2.5" },
        { "1e300", "1e+300" },
        { "0", "0" },
        { "0.1", "0.1" },
        { "true", "true" },
        { "false", "false" },
        { "null", "" },
        { "\"-x\"", "'-x" },
        { "[0.9,0.99]", "\"[0.9,0.99]\"" },
        { "{\"kind\":\"dsa\"}", "\"{\"\"kind\"\":\"\"dsa\"\"}\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf to;
        json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        buf_init(&to, 0);
        buf_adds(&to, "|");
        csv_value(value, &to);
        assert_string_equal(to.data + 1, cases[i].cell);
        buf_done(&to);
        json_decref(value);
    }
}

static void test_integers(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, 9, 10, -1, INT64_MAX, INT64_MIN };
    struct buf to;
    buf_init(&to, 0);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        csv_int(values[i], &to);
        buf_addc(&to, ' ');
    }
    assert_string_equal(to.data, "0 9 10 -1 9223372036854775807 -9223372036854775808 ");
    buf_done(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts), cmocka_unit_test(test_values),
                                        cmocka_unit_test(test_integers) };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
