/* Codes, messages and the table of what a code means outside. */
#include "common/base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_fills_and_returns(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no %s %d", "run", 7), -ERR_NOT_FOUND);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.message, "no run 7");
    assert_string_equal(err.pointer, "");
    assert_int_equal(err_set_at(&err, ERR_OUT_OF_RANGE, "/a/b", "x"), -ERR_OUT_OF_RANGE);
    assert_string_equal(err.pointer, "/a/b");
    assert_int_equal(err_set_at(&err, ERR_OUT_OF_RANGE, NULL, "x"), -ERR_OUT_OF_RANGE);
    assert_string_equal(err.pointer, "");
    assert_int_equal(err_set(NULL, ERR_CONFLICT, "nobody asks"), -ERR_CONFLICT);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_no_memory(&err, "%d runs", 7), -ERR_NO_MEMORY);
    assert_int_equal(err.code, ERR_NO_MEMORY);
    assert_string_equal(err.message, "no memory for 7 runs");
    assert_int_equal(err_no_memory(NULL, "a run"), -ERR_NO_MEMORY);
}

static void test_errno(void **state)
{
    (void)state;
    struct err err;
    errno = EACCES;
    assert_int_equal(err_errno(&err, ERR_STORAGE, "can't open %s", "x"), -ERR_STORAGE);
    assert_string_equal(err.message, "can't open x: Permission denied");
    errno = ENOSPC;
    assert_int_equal(err_errno(&err, ERR_STORAGE, "x"), -ERR_DISK_FULL);
    assert_int_equal(err.code, ERR_DISK_FULL);
    errno = EDQUOT;
    assert_int_equal(err_errno(NULL, ERR_STORAGE, "x"), -ERR_DISK_FULL);
}

static void test_the_table(void **state)
{
    (void)state;
    assert_string_equal(err_name(-ERR_UNKNOWN_FIELD), "unknown_field");
    assert_int_equal(err_http_status(ERR_UNKNOWN_FIELD), 422);
    assert_int_equal(err_exit_status(-ERR_USAGE), 64);
    assert_int_equal(err_http_status(0), 200);
    assert_int_equal(err_http_status(100000), 500);
    for (int code = 1; code < ERR_COUNT; code++) {
        assert_in_range(err_http_status(code), 400, 599);
        assert_in_range(err_exit_status(code), 64, 78);
        assert_true(err_title(code)[0] != '\0');
        assert_int_equal(
            err_name(code)[strspn(err_name(code), "abcdefghijklmnopqrstuvwxyz0123456789_")], '\0');
        for (int other = 1; other < code; other++)
            assert_string_not_equal(err_name(code), err_name(other));
    }
}

static void test_messages_are_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } cases[] = {
        { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 z", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 z" },
        { "\xff x", "? x" },
        { "\xc0\xaf", "??" }, /* overlong */
        { "\xe0\x80\xaf", "???" },
        { "\xf0\x80\x80\xaf", "????" },
        { "\xed\xa0\x80", "???" },      /* a surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
        { "\xf8\x88\x80\x80\x80", "?????" },
        { "a\xe2\x82", "a??" }, /* cut */
        { "\x80", "?" },
        { "\xc3(", "?(" },
    };
    struct err err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err_set_at(&err, ERR_INTERNAL, cases[i].given, "%s", cases[i].given);
        assert_string_equal(err.message, cases[i].kept);
        assert_string_equal(err.pointer, cases[i].kept);
    }
    char many[2000] = "";
    for (int i = 0; i < 300; i++)
        strcat(many, "\xe2\x82\xac");
    err_set(&err, ERR_INTERNAL, "%s", many);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_string_equal(err.message + 510, "?"); /* 170 whole ones, and what is left of the next */
}

/* A place in a text is told in characters, with what stands around it. */
static void test_a_place(void **state)
{
    (void)state;
    struct err err;
    char many[400] = "";
    assert_int_equal(err_set_in(&err, ERR_BAD_PARAMETER, "a = \xc3\xa4 b", 7, 1, "no %s", "b"),
                     -ERR_BAD_PARAMETER);
    assert_string_equal(err.message, "no b");
    assert_int_equal(err.character, 7);
    assert_string_equal(err.context, "a = \xc3\xa4 b\n      ^");
    err_set_in(&err, ERR_BAD_PARAMETER, "a\tb", 3, 0, "the end");
    assert_int_equal(err.character, 4);
    assert_string_equal(err.context, "a b\n   ^");
    for (int i = 0; i < 90; i++)
        strcat(many, "\xf0\x9f\x98\x80");
    err_set_in(&err, ERR_BAD_PARAMETER, many, 200, 100, "many");
    assert_int_equal(err.character, 51);
    assert_non_null(strchr(err.context, '\n'));
    assert_string_equal(strchr(err.context, '\n') + 1 + 24, "^^^^^^^^^^^^^^^^");
    err_set(&err, ERR_BAD_PARAMETER, "another");
    assert_int_equal(err.character, 0);
    assert_string_equal(err.context, "");
    err_set_in(NULL, ERR_BAD_PARAMETER, many, 0, 1, "nobody listens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_and_returns),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_the_table),
        cmocka_unit_test(test_messages_are_utf8),
        cmocka_unit_test(test_a_place),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
