/* The filter's text becomes SQL in which nothing of it stands but the fields' own names. */
#include "server/store/runs/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_sql_and_values(void **state)
{
    (void)state;
    struct filter filter;
    struct err err;
    filter_init(&filter);
    assert_int_equal(
        filter_compile(&filter, "not (arm = \"a b\" or seed >= 4.5) and reason ~ 3", &err), 0);
    assert_string_equal(filter.sql.data,
                        "NOT (r.arm = ? OR r.seed >= ?) AND instr(r.reason, ?) > 0");
    assert_int_equal(filter.values_n, 3);
    assert_string_equal(filter.values[0].text, "a b");
    assert_null(filter.values[1].text);
    assert_true(filter.values[1].number == 4.5);
    assert_string_equal(filter.values[2].text, "3"); /* what is looked for is text */
    filter_done(&filter);
}

static const struct {
    const char *text, *said;
} bad[] = {
    { "id", "character 3" },
    { "id =", "character 5" },
    { "= 4", "character 1 (\"= 4\"): a field expected" },
    { "id = 4 5", "character 8 (\"5\"): \"and\", \"or\" or the end expected" },
    { "nosuch = 4", "\"nosuch\" is no field" },
    { "metrics. = 4", "is no field" },
    { "grid. = 4", "is no field" },
    { "id = 'x", "a closing quote expected" },
    { "(id = 4", "\")\" expected" },
    { "id = 4)", "the end expected" },
    { "id == 4", "a value expected" },
    { "id ; 4", "one of = != < <= > >= ~ expected" },
    { "1=1; DROP TABLE runs", "\"1\" is no field" },
    { "arm = \"x\"; DROP TABLE runs", "the end expected" },
    { "((((((((((((((((((id = 1))))))))))))))))))", "less nesting expected" },
    { "and", "one of = != < <= > >= ~ expected" },
    { "not", "a field expected" },
    { "arm = \xff\xfe", "a value expected" },
    { "seed = 9007199254740993", "the integer 9007199254740993 is beyond 9007199254740991" },
    { "id = 4 "
      "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
      "the end expected" },
};

static void test_errors_say_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct filter filter;
        struct err err = { 0 };
        filter_init(&filter);
        int status = filter_compile(&filter, bad[i].text, &err);
        if (status != -ERR_BAD_PARAMETER || strstr(err.message, bad[i].said) == NULL)
            fail_msg("%s: %d, %s", bad[i].text, status, err.message);
        filter_done(&filter);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct filter filter;
    struct err err;
    char text[4096] = "id = 1";
    for (int i = 1; i < FILTER_MAX_VALUES; i++)
        strcat(text, " or id = 1");
    filter_init(&filter);
    assert_int_equal(filter_compile(&filter, text, &err), 0);
    filter_done(&filter);
    strcat(text, " or id = 1");
    filter_init(&filter);
    assert_int_equal(filter_compile(&filter, text, &err), -ERR_BAD_PARAMETER);
    filter_done(&filter);
    memset(text, ' ', FILTER_MAX_BYTES + 1);
    text[FILTER_MAX_BYTES + 1] = '\0';
    filter_init(&filter);
    assert_int_equal(filter_compile(&filter, text, &err), -ERR_BAD_PARAMETER);
    filter_done(&filter);
    text[0] = '\0';
    for (int i = 0; i < 480; i++)
        strcat(text, "not ");
    strcat(text, "id = 1");
    filter_init(&filter);
    assert_int_equal(filter_compile(&filter, text, &err), 0);
    filter_done(&filter);
}

/* Whatever the bytes: no crash, and text of the client never becomes SQL. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const pieces[] = { "id", "arm", "=",         "!=",     "<",   "~",
                                          "(",  ")",   "and",       "or",     "not", "\"",
                                          "'",  "1",   "-",         "x",      ";",   "--",
                                          "\\", "%",   "metrics.a", "grid.b", " ",   "\x80" };
    uint64_t random = 7;
    for (int i = 0; i < 20000; i++) {
        char text[256] = "";
        for (int j = 0; j < 12; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            strcat(text, pieces[(random >> 33) % (sizeof pieces / sizeof *pieces)]);
            strcat(text, (random >> 50) & 1 ? " " : "");
        }
        struct filter filter;
        struct err err;
        filter_init(&filter);
        if (filter_compile(&filter, text, &err) == 0)
            assert_null(strpbrk(filter.sql.data, ";\\%\x80"));
        filter_done(&filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sql_and_values),
        cmocka_unit_test(test_errors_say_where),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
