/* Every two-byte beginning and the edges of Unicode's table 3-7, against the definition by number.
 */
#include "common/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t encode(uint32_t code, char ret[4])
{
    if (code < 0x80) {
        ret[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        ret[i] = (char)(0x80 | (code & 0x3F));
    ret[0] = (char)((len == 2 ? 0xC0 : len == 3 ? 0xE0 : 0xF0) | code);
    return len;
}

static void test_every_code_point_is_known_and_no_surrogate(void **state)
{
    (void)state;
    char text[4];
    for (uint32_t code = 0; code < 0x110800; code++) {
        bool good = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
        size_t len = encode(code, text);
        if (utf8_char(text, len) != (good ? len : 0) || (len > 1 && utf8_char(text, len - 1) != 0))
            fail_msg("U+%04X", (unsigned)code);
        char again[4] = { 0 };
        size_t read = 0;
        if (good && (utf8_encode(code, again) != len || memcmp(again, text, len) != 0 ||
                     utf8_decode(text, len, &read) != code || read != len))
            fail_msg("U+%04X", (unsigned)code);
    }
}

static void test_longer_forms_than_needed_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = { "\x80",
                                       "\xBF",
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xE0\x9F\xBF",
                                       "\xED\xA0\x80",
                                       "\xF0\x8F\xBF\xBF",
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "\xFE",
                                       "\xFF",
                                       "\xC3(",
                                       "\xE2\x82(",
                                       "\xF0\x9F\x98(" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(utf8_char(bad[i], strlen(bad[i])), 0);
}

/* Wherever in a stretch that is read eight at a time. */
static void test_the_place_is_told_after_ascii(void **state)
{
    (void)state;
    char text[40];
    for (size_t bad = 0; bad < sizeof text; bad++) {
        size_t at = 0;
        memset(text, 'a', sizeof text);
        text[bad] = (char)0x80;
        assert_false(utf8_valid(text, sizeof text, &at));
        assert_int_equal(at, bad);
        assert_true(utf8_valid(text, bad, &at));
        assert_int_equal(at, bad);
    }
}

static void test_the_place_is_told(void **state)
{
    (void)state;
    size_t at = 99;
    assert_true(utf8_valid("", 0, &at));
    assert_int_equal(at, 0);
    assert_true(utf8_valid("caf\xC3\xA9", 5, NULL));
    assert_false(utf8_valid("caf\xC3\xA9", 4, &at));
    assert_int_equal(at, 3);
    assert_false(utf8_valid("ab\xFFz", 4, &at));
    assert_int_equal(at, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_is_known_and_no_surrogate),
        cmocka_unit_test(test_longer_forms_than_needed_are_none),
        cmocka_unit_test(test_the_place_is_told),
        cmocka_unit_test(test_the_place_is_told_after_ascii),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
