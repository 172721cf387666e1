/* Appending up to the bound and past it, and handing the bytes over. */
#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_grows(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    assert_null(buf.data);
    for (int i = 0; i < 1000; i++)
        buf_addf(&buf, "%03d", i);
    assert_int_equal(buf.len, 3000);
    assert_int_equal(strlen(buf.data), 3000);
    assert_memory_equal(buf.data + 2997, "999", 4);
    buf_shift(&buf, 2994);
    assert_string_equal(buf.data, "998999");
    buf_shift(&buf, 0);
    buf_shift(&buf, 6);
    assert_string_equal(buf.data, "");
    buf_add(&buf, "a\0b", 3);
    assert_int_equal(buf.len, 3);
    buf_clear(&buf);
    buf_addc(&buf, 'x');
    buf_adds(&buf, "yz");
    assert_string_equal(buf.data, "xyz");
    buf_done(&buf);
    assert_null(buf.data);
}

static void test_the_bound(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 5);
    buf_adds(&buf, "12345");
    assert_false(buf.failed);
    buf_addc(&buf, '6');
    assert_true(buf.failed);
    assert_string_equal(buf.data, "12345");
    buf_add(&buf, "", 0);
    assert_null(buf_take(&buf, NULL));
    buf_clear(&buf);
    assert_false(buf.failed);
    buf_addf(&buf, "%d", 123456);
    assert_true(buf.failed);
    assert_int_equal(buf.len, 0);
    buf_done(&buf);
}

static void test_take(void **state)
{
    (void)state;
    struct buf buf;
    size_t len = 9;
    buf_init(&buf, 100);
    char *empty = buf_take(&buf, &len);
    assert_non_null(empty);
    assert_int_equal(len, 0);
    assert_string_equal(empty, "");
    free(empty);
    buf_adds(&buf, "text");
    char *text = buf_take(&buf, &len);
    assert_string_equal(text, "text");
    assert_int_equal(len, 4);
    assert_null(buf.data);
    assert_int_equal(buf.limit, 100);
    free(text);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_the_bound),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
