/* What a name may be: every character that is refused, with its place and why. */
#include "common/names.h"

#include "common/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const good[] = {
    "a",
    "dense",
    "a B-_.9",
    "dense/dsa \"k=8\" | 100%",
    "Grüße",
    "密な注意",
    "שלום",          /* a direction of its own needs no sign */
    "می\u200cخواهم", /* a joiner that Persian is written with */
    "👩\u200d🔬",
    "❤\ufe0f",
    "क्षि",
    "a\u00a0b\u3000c",
    "-",
    "½",
};

static const struct {
    const char *text, *said;
} bad[] = {
    { "", "a name must have 1 to 64 characters" },
    { " ", "a name must not be blank" },
    { "\u3000 \u2003", "a name must not be blank" },
    { " a", "U+0020 as character 1, a space; a name begins" },
    { "ab ", "U+0020 as character 3, a space; a name ends" },
    { "ä\u3000", "U+3000 as character 2, a space; a name ends" },
    { "ä\tb", "U+0009 as character 2, a control character" },
    { "a\x7f", "U+007F as character 2, a control character" },
    { "a\xc2\x85", "U+0085 as character 2, a control character" },
    { "ab\u202e", "U+202E as character 3, which turns the direction" },
    { "ab\u2066c\u2069", "U+2066 as character 3, which turns the direction" },
    { "ab\u200e", "U+200E as character 3, which turns the direction" },
    { "a\u061cb", "U+061C as character 2, which turns the direction" },
    { "a\u200bb", "U+200B as character 2, which isn't seen" },
    { "a\u00adb", "U+00AD as character 2, which isn't seen" },
    { "a\ufeffb", "U+FEFF as character 2, which isn't seen" },
    { "a\u3164b", "U+3164 as character 2, which isn't seen" },
    { "a\U000e0041", "U+E0041 as character 2, which isn't seen" },
    { "a\u2028b", "U+2028 as character 2, a line separator" },
    { "a\u2029b", "U+2029 as character 2, a paragraph separator" },
    { "a\u0378b", "U+0378 as character 2, which no version of Unicode" },
    { "a\uffffb", "U+FFFF as character 2, which no version of Unicode" },
    { "a\ue000b", "U+E000 as character 2, a private character" },
    { "\u200da", "U+200D as character 1, a joiner" },
    { "a\u200c", "U+200C as character 2, a joiner" },
    { "a\u200c\u200db", "U+200C as character 2, a joiner" },
    { "\u0301a", "U+0301 as character 1, a mark" },
    { "\ufe0fa", "U+FE0F as character 1, a mark" },
    { "Gru\u0308ße", "(NFC), which differs at character 3: \"Grüße\"" },
    { "a\u212b", "(NFC), which differs at character 2: \"aÅ\"" },
};

static void test_names(void **state)
{
    (void)state;
    struct err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (names_check(good[i], "a name", "/x", &err) != 0)
            fail_msg("%s: %s", good[i], err.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (struct err){ 0 };
        if (names_check(bad[i].text, "a name", "/x", &err) != -ERR_INVALID_VALUE)
            fail_msg("row %zu is taken", i);
        if (strstr(err.message, bad[i].said) == NULL)
            fail_msg("row %zu: %s", i, err.message);
        assert_string_equal(err.pointer, "/x");
        assert_int_equal(names_check(bad[i].text, "a name", NULL, NULL), -ERR_INVALID_VALUE);
    }
}

/* Characters are counted, of one byte or of four. */
static void test_lengths(void **state)
{
    (void)state;
    static const uint32_t codes[] = { 'a', 0xe4, 0x5bc6, 0x10348 };
    for (size_t c = 0; c < sizeof codes / sizeof *codes; c++) {
        char text[NAMES_BYTES + 4] = "";
        size_t len = 0;
        struct err err;
        for (int i = 0; i < NAMES_MAX; i++)
            len += utf8_encode(codes[c], text + len);
        assert_true(len < NAMES_BYTES);
        assert_int_equal(names_check(text, "a name", "", NULL), 0);
        utf8_encode(codes[c], text + len);
        assert_int_equal(names_check(text, "a name", "", &err), -ERR_INVALID_VALUE);
        assert_non_null(strstr(err.message, "1 to 64 characters, not 65"));
    }
}

/* Whatever stands alone as a name has a sign that is seen, and is one character. */
static void test_every_character(void **state)
{
    (void)state;
    size_t taken = 0;
    for (uint32_t code = 1; code < 0x110000; code++) {
        char text[8] = { 0 };
        if (code >= 0xd800 && code < 0xe000)
            continue;
        utf8_encode(code, text);
        bool fits = names_check(text, "a name", "", NULL) == 0;
        taken += fits;
        if (fits && (code < 0x21 || (code >= 0x7f && code < 0xa1) || code == 0xad ||
                     (code >= 0x2000 && code < 0x2010) || (code >= 0x2028 && code < 0x2030) ||
                     (code >= 0x205f && code < 0x2070) || (code >= 0xe000 && code < 0xf900) ||
                     code >= 0xe0000))
            fail_msg("U+%04X", (unsigned)code);
    }
    assert_true(taken > 140000);
}

/* Names of before, which may begin or end with a space, stay what they are. */
static void test_stored_and_plain(void **state)
{
    (void)state;
    char text[70];
    assert_true(names_is_plain("a B-_.9"));
    assert_false(names_is_plain(""));
    assert_false(names_is_plain("a/b"));
    assert_false(names_is_plain("ä"));
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    assert_true(names_is_plain(text));
    text[64] = 'a';
    text[65] = '\0';
    assert_false(names_is_plain(text));
    assert_true(names_is_stored(" "));
    assert_true(names_is_stored("a "));
    assert_true(names_is_stored("密"));
    assert_false(names_is_stored("a\nb"));
    assert_false(names_is_stored("\xff"));
}

static void test_files(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "dense against sparse", "dense-against-sparse-7" },
        { "../x", "_.-x-7" },
        { "-rf", "_rf-7" },
        { "密な注意", "_-7" },
        { "Grüße/λ", "Gr-e---7" },
        { "a  b", "a--b-7" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char file[100];
        names_for_file(rows[i][0], 7, file, sizeof file);
        assert_string_equal(file, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_every_character), cmocka_unit_test(test_stored_and_plain),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
