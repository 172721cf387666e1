/* What a terminal may be shown of what a stranger wrote. */
#include "server/client/terminal/clean.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(enum clean_kind kind, const char *text, size_t len, const char *wanted)
{
    struct buf to;
    buf_init(&to, 0);
    clean_add(&to, text, len, kind);
    assert_string_equal(to.data != NULL ? to.data : "", wanted);
    buf_done(&to);
}
#define EXPECT(kind, text, wanted) expect(kind, text, sizeof text - 1, wanted)

static void test_kept(void **state)
{
    (void)state;
    EXPECT(CLEAN_TEXT, "", "");
    EXPECT(CLEAN_TEXT, "a\tb\n Δ ▁█ 日本", "a\tb\n Δ ▁█ 日本");
    EXPECT(CLEAN_LINE, "a\tb\n", "a b ");
    EXPECT(CLEAN_TEXT, "\xc2\xa0", "\xc2\xa0"); /* a space that doesn't break is no control */
}

static void test_dropped(void **state)
{
    (void)state;
    char all[33];
    for (int i = 0; i < 32; i++)
        all[i] = (char)i;
    all[32] = 0x7f;
    expect(CLEAN_TEXT, all, sizeof all, "\t\n");
    EXPECT(CLEAN_TEXT, "\x1b[31mred\x1b]0;t\x07", "[31mred]0;t");
    for (int i = 0x80; i < 0xa0; i++) {
        char c1[] = { (char)0xc2, (char)i };
        expect(CLEAN_TEXT, c1, sizeof c1, "");
    }
    EXPECT(CLEAN_TEXT,
           "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
           "");
    EXPECT(CLEAN_TEXT, "\u202f\u2065\u2070\u200d",
           "\u202f\u2065\u2070\u200d"); /* their neighbours */
}

static void test_invalid(void **state)
{
    (void)state;
    EXPECT(CLEAN_TEXT, "\xff", "\ufffd");
    EXPECT(CLEAN_TEXT, "a\x9bz", "a\ufffdz");       /* a C1 of Latin-1 */
    EXPECT(CLEAN_TEXT, "\xe2\x96", "\ufffd\ufffd"); /* cut off */
    EXPECT(CLEAN_TEXT, "\xc0\x9b", "\ufffd\ufffd"); /* ESC's long forms */
    EXPECT(CLEAN_TEXT, "\xe0\x80\x9b", "\ufffd\ufffd\ufffd");
    EXPECT(CLEAN_TEXT, "\xed\xa0\x80", "\ufffd\ufffd\ufffd");
}

/* JSON stays the same JSON, and has none of them. */
static void test_json(void **state)
{
    (void)state;
    static const char name[] = "\u202e\xc2\x85\x7f\u2028Δ\n\x1b";
    struct buf text, out;
    json_t *value = json_pack("{s:s}", name, name), *back = NULL;
    buf_init(&text, 0);
    buf_init(&out, 0);
    jsonx_dump(value, JSONX_KEEP_ORDER, &text);
    clean_add_json(&out, text.data, text.len);
    assert_int_equal(jsonx_load(out.data, out.len, &back, NULL), 0);
    assert_true(json_equal(value, back));
    assert_null(strstr(out.data, "\u202e"));
    assert_null(strchr(out.data, 0x7f));
    assert_non_null(strstr(out.data, "\\u202e\\u0085\\u007f\\u2028Δ"));
    json_decref(value);
    json_decref(back);
    buf_done(&text);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
