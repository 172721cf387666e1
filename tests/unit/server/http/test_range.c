/* Which part of a file a Range names, and when If-Range lets it be served. */
#include "server/http/exchange/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t size;
        enum range range;
        uint64_t from, len;
    } cases[] = {
        { "bytes=0-0", 100, RANGE_PART, 0, 1 },
        { "bytes=0-99", 100, RANGE_PART, 0, 100 },
        { "bytes=10-19", 100, RANGE_PART, 10, 10 },
        { "bytes=99-", 100, RANGE_PART, 99, 1 },
        { "bytes=-1", 100, RANGE_PART, 99, 1 },
        { "bytes=-1000", 100, RANGE_PART, 0, 100 },
        { "bytes=50-1000", 100, RANGE_PART, 50, 50 },
        { "BYTES= 5-6 ", 100, RANGE_PART, 5, 2 },
        { "bytes=5-99999999999999999999999999", 100, RANGE_PART, 5, 95 },
        { "bytes=100-", 100, RANGE_NOWHERE, 0, 0 },
        { "bytes=99999999999999999999999999-", 100, RANGE_NOWHERE, 0, 0 },
        { "bytes=-0", 100, RANGE_NOWHERE, 0, 0 },
        { "bytes=0-", 0, RANGE_NOWHERE, 0, 0 },
        { "bytes=-5", 0, RANGE_NOWHERE, 0, 0 },
        { NULL, 100, RANGE_WHOLE, 0, 0 },
        { "", 100, RANGE_WHOLE, 0, 0 },
        { "bytes", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=-", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=5", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=6-5", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=0-1,4-5", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=0x1-5", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=+1-5", 100, RANGE_WHOLE, 0, 0 },
        { "bytes=--5", 100, RANGE_WHOLE, 0, 0 },
        { "items=0-5", 100, RANGE_WHOLE, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t from = 7777, len = 7777;
        print_message("%s of %d\n", cases[i].text != NULL ? cases[i].text : "none",
                      (int)cases[i].size);
        assert_int_equal(range_of(cases[i].text, cases[i].size, &from, &len), cases[i].range);
        bool part = cases[i].range == RANGE_PART;
        assert_int_equal(from, part ? cases[i].from : 7777);
        assert_int_equal(len, part ? cases[i].len : 7777);
    }
}

static void test_if_range(void **state)
{
    (void)state;
    const char *tag = "\"abc\"", *date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_true(range_holds(NULL, tag, date));
    assert_true(range_holds(tag, tag, date));
    assert_true(range_holds(date, tag, date));
    assert_false(range_holds("\"abd\"", tag, date));
    assert_false(range_holds("W/\"abc\"", tag, date)); /* a weak one proves nothing */
    assert_false(range_holds("Sun, 06 Nov 1994 08:49:38 GMT", tag, date));
    assert_false(range_holds(date, tag, NULL));
    assert_false(range_holds(tag, NULL, date));
    assert_false(range_holds("", tag, date));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_ranges),
                                        cmocka_unit_test(test_if_range) };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
